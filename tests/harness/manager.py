"""manager: what systemd does for a unit with a socket, in a page: holds the listening socket, hands it down, hears what the service says,
starts it again. For tests on machines whose process 1 is another.

    python3 manager.py PORT COMMAND...     prints what it hears, a line each; "restart", "kill" (the main process) and "stop" come on standard input
"""
import os, select, signal, socket, sys

door = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
address = "@metafed-manager-%d" % os.getpid()
ears.bind("\0" + address[1:])
ended, wake = os.pipe()
os.set_blocking(wake, False)
signal.set_wakeup_fd(wake)
signal.signal(signal.SIGCHLD, lambda *_: None)

def say(text):
    print(text, flush=True)

def start():
    pid = os.fork()
    if pid:
        say("started %d" % pid)
        return pid
    os.dup2(door.fileno(), 3)
    os.set_inheritable(3, True)                    # it may have been 3 all along
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET=address, WATCHDOG_USEC="3000000")
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.execv(sys.argv[2], sys.argv[2:])

pid, again = start(), False
while True:
    ready, _, _ = select.select([ears, ended, sys.stdin], [], [])
    if ears in ready:
        for line in ears.recv(4096).decode().split("\n"):
            if line:
                say(line)
    if ended in ready:
        os.read(ended, 4096)
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            say("ended %d" % status)
            if not again:
                sys.exit(os.waitstatus_to_exitcode(status))
            pid, again = start(), False
    if sys.stdin in ready:
        word = sys.stdin.readline().strip()
        again = word in ("restart", "kill")
        os.kill(pid, signal.SIGKILL if word == "kill" else signal.SIGTERM)
