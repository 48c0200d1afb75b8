# terminal: a program in a terminal of its own, for a test. Commands come as lines of JSON on standard input:
# {"keys": "..."} types, {"rows": 40, "cols": 100} makes it another size, {"signal": 15} sends the program one. What the
# program writes goes out as lines {"out": base64}; at its end {"status": n, "same": true}: whether the terminal's settings are
# again what they were. No shell is in between.
import base64, fcntl, json, os, select, signal, struct, sys, termios

def size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()

def main():
    rows, cols, argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    master, slave = os.openpty()
    size(master, rows, cols)
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.closerange(3, 256)
        os.execv(argv[0], argv)
    typed, over = b"", False
    while not over:
        ready, _, _ = select.select([master, 0], [], [], 0.05)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                os.kill(pid, signal.SIGKILL)
            typed += data
            *lines, typed = typed.split(b"\n")
            for line in lines:
                command = json.loads(line)
                if "keys" in command:
                    os.write(master, command["keys"].encode())
                if "rows" in command:
                    size(master, command["rows"], command["cols"])
                    os.kill(pid, signal.SIGWINCH)
                if "signal" in command:
                    os.kill(pid, command["signal"])
        ended, status = os.waitpid(pid, os.WNOHANG)
        over = ended != 0
        # What it wrote last is still there when it has gone: the terminal is open here, too.
        while select.select([master], [], [], 0)[0]:
            say(out=base64.b64encode(os.read(master, 65536)).decode())
    say(status=os.waitstatus_to_exitcode(status), same=termios.tcgetattr(slave) == before)

main()
