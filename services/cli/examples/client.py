#!/usr/bin/env python3
"""client: a fleet's bus in plain Python, no library: what proto/README.md says, and nothing more.

    ./client.py VAR <VAR/admin.json       each way a call can end, a line for each; calls.c prints the same
"""
import json, os, socket, struct, sys

CODES = """OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED
FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED""".split()

# --- protobuf: a message is {field number: value}; a number is a varint, text and bytes and messages have a length ---

def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])

def pack(fields):
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else pack(value) if isinstance(value, dict) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out

def unpack(data):
    fields, at = {}, 0
    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte, at = data[at], at + 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n
    while at < len(data):
        key = number()
        if key & 7 == 0:
            fields[key >> 3] = number()
        else:                                     # 2: bytes; 1 and 5: of fixed length
            n = number() if key & 7 == 2 else 8 if key & 7 == 1 else 4
            fields[key >> 3] = data[at:at + n]
            at += n
    return fields

# --- the bus: req of the Scalability Protocols over a unix socket ---

class Bus:
    def __init__(self, var, node="meta"):
        self.at = os.path.join(var, "run/bus", node + ".sock")
        self.requests = 0
        self.connect()

    def connect(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(self.at)
        self.s.sendall(b"\0SP\0\0\x30\0\0")                            # we are a req ...
        if self.take(8) != b"\0SP\0\0\x31\0\0":                        # ... and that is a rep
            raise OSError("it does not speak the protocol")

    def take(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more:
                raise OSError("hung up")
            data += more
        return data

    def send(self, service, method, payload, limit_ms):
        self.requests += 1
        envelope = pack({1: 1, 2: service, 3: method, 5: limit_ms * 1000, 10: pack(payload)})
        self.s.sendall(struct.pack(">BQI", 1, 4 + len(envelope), 0x80000000 | self.requests) + envelope)

    def call(self, service, method, payload, limit_ms=5000):
        """The payload of the answer and OK, or {} and what is wrong: (code, reason)."""
        self.send(service, method, payload, limit_ms)
        self.s.settimeout(limit_ms / 1000 + 1)
        while True:
            _, n = struct.unpack(">BQ", self.take(9))
            body = self.take(n)
            if struct.unpack(">I", body[:4])[0] == 0x80000000 | self.requests:
                break                                                  # else: of a call that we gave up
        answer = unpack(body[4:])
        if 3 in answer:
            problem = unpack(answer[3])
            return {}, (problem.get(1, 0), problem.get(3, b"").decode())
        return unpack(answer.get(2, b"")), (0, "")

def execute(bus, request, limit_ms=5000):
    """TaskResponse, and how it ended: the call's own code, or the response's."""
    r, end = bus.call("mf.Meta", "Execute", request, limit_ms)
    if 13 in r:
        return r, (r.get(17, 0), unpack(r[13]).get(3, b"").decode())
    return r, end if end[0] else (r.get(17, 0), "")

def main(var):
    admin, bus, none = json.load(sys.stdin), Bus(var), "01900000-0000-7000-8000-000000000000"
    def tell(what, end):
        print(what, CODES[end[0]], *([end[1]] if end[1] else []))
    def login(what, password, limit_ms=10000):
        data = json.dumps({"username": admin["username"], "password": password})
        r, end = execute(bus, {5: {3: "login", 4: data}}, limit_ms)
        tell(what, end)
        return json.loads(r[11])["access_token"] if not end[0] else ""
    def task(what, fields, credential):
        r, end = execute(bus, {4: {2: "task", **fields}, **({5: {2: credential}} if credential else {})})
        tell(what, end)
        return json.loads(r[11]) if not end[0] else {}

    token = login("login", admin["password"])
    new = {1: "create", 4: json.dumps({"title": "by a program"})}
    made = task("submit", new, token)
    task("read", {1: "read", 3: made["id"]}, token)
    task("list", {1: "query"}, token)
    task("missing", {1: "read", 3: none}, token)
    task("anonymous", new, "")
    task("stranger", {1: "read", 3: made["id"]}, "nobody's")
    login("refused", "not the password")
    login("late", admin["password"], 1)
    tell("unknown", bus.call("mf.Meta", "Nothing", {})[1])
    bus.send("mf.Meta", "Fleet", {}, 5000)                             # hanging up cancels what is under way
    bus.s.close()
    bus.connect()
    tell("cancelled", (1, "CANCELLED"))
    task("afterwards", {1: "read", 3: made["id"]}, token)

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: client.py VAR <VAR/admin.json")
    main(sys.argv[1])
