"""web.py: servers of the same folder, one worker each, to be compared by a load from elsewhere.

Owns the processes: `with Server(…)` starts one on a free port of the loopback address and a core of its own, and ends it
whatever happens. Promises that an engine that was asked for is the one that runs. Called by: tools/demo.py, report.py."""
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"
STARTING, ENDING = 10, 5  # seconds
RING = "anon_inode:[io_uring]"
SBIN = "/usr/sbin:/sbin"  # where Debian keeps servers

# Debian's own choices for files (sendfile, tcp_nopush), and what a measurement needs: one worker, no log, connections that last.
NGINX = """worker_processes 1; daemon off; pid {here}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  client_body_temp_path {here}; proxy_temp_path {here}; fastcgi_temp_path {here}; uwsgi_temp_path {here}; scgi_temp_path {here};
  server {{ listen {host}:{port}{how} backlog=4096; root {folder}; }} }}
"""


def which(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":" + SBIN)


def make_folder(sizes):
    """A folder that everybody may read, with files of bytes that nobody guesses: (path, name → size)."""
    folder = tempfile.mkdtemp(prefix="evring-www-")
    os.chmod(folder, 0o755)
    files = {f"{size}.bin": size for size in sizes}
    for name, size in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(random.Random(size).randbytes(size))
    return folder, files


class Kind:
    """How a server is started: argv(port, folder, here), and what it says of itself."""

    def __init__(self, name, program, argv, version=None, variables=None, ring=None):
        self.name, self.program, self.argv, self.version = name, program, argv, version
        self.variables, self.ring = variables or {}, ring

    def exists(self):
        return bool(self.program) and os.path.exists(self.program)


def nginx_argv(program, how):
    def argv(port, folder, here):
        path = os.path.join(here, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(NGINX.format(here=here, host=HOST, port=port, how=how, folder=folder))
        return [program, "-p", here, "-e", "stderr", "-c", path]
    return argv


def version_of(program, option, pattern):
    done = subprocess.run([program, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(pattern, done.stdout)
    return found.group(1) if found else "?"


def op_http(build, backend):
    """examples/op_http by operations: on a ring (iouring), or on epoll with no ring at all."""
    program = os.path.join(build, "examples", "op_http")
    bit = {"iouring": "128", "epoll": "4"}[backend]
    where = {"iouring": "io_uring", "epoll": "epoll"}[backend]
    return Kind("op_http on " + where, program, lambda port, folder, here: [program, folder, str(port)],
                variables={"LIBEV_FLAGS": bit}, ring=backend == "iouring")


def op_echo(build):
    program = os.path.join(build, "examples", "op_echo")
    return Kind("op_echo on io_uring", program, lambda port, folder, here: [program, str(port)], variables={"LIBEV_FLAGS": "128"}, ring=True)


def nginx(http2=False):
    program = which("nginx")
    return Kind("nginx", program, nginx_argv(program, " http2" if http2 else ""), program and version_of(program, "-v", r"nginx/(\S+)"))


def nghttpd():
    """On the libev it was made for. Speaks HTTP/2 only."""
    program = which("nghttpd")
    return Kind("nghttpd", program, lambda port, folder, here: [program, "-a", HOST, "-d", folder, "--no-tls", str(port)],
                program and version_of(program, "--version", r"nghttp2/(\S+)"))


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def answers(port):
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False


def children(pid):
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass  # it has just ended
    return found


def family(pid):
    pids = [pid]
    for parent in pids:
        pids += children(parent)
    return pids


def cpu_seconds(pid):
    """Of a process and all that descends from it, so far; its threads and the kernel's workers for its ring are in it.
    By the clock that the kernel keeps for each process (man clock_getcpuclockid): /proc counts in hundredths."""
    return sum(time.clock_gettime((~member << 3) | 2) for member in family(pid))


def has_ring(pid):
    kinds = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            kinds.add(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            pass
    return RING in kinds


class Server:
    """with Server(kind, folder, cpu) as server: … server.port, server.cpu_seconds()"""

    def __init__(self, kind, folder, cpu=None):
        self.kind, self.folder, self.cpu, self.name = kind, folder, cpu, kind.name
        self.here = tempfile.mkdtemp(prefix="evring-web-")
        os.chmod(self.here, 0o755)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("LIBEV", "EVRING", "LD_"))}
        self.port = free_port()
        self.process = subprocess.Popen(self.kind.argv(self.port, self.folder, self.here), env={**variables, **self.kind.variables},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=self.pin, start_new_session=True)
        deadline = time.monotonic() + STARTING
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not start: {self.last_words()}")
            time.sleep(0.02)
        if self.kind.ring is not None and has_ring(self.process.pid) != self.kind.ring:
            raise RuntimeError(f"{self.name}: the wrong engine")

    def pin(self):
        if self.cpu is not None:
            os.sched_setaffinity(0, {self.cpu})

    def last_words(self):
        self.process.kill()
        return self.process.communicate()[1].strip()

    def __exit__(self, *error):
        if getattr(self, "process", None):
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(ENDING)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process.stderr.close()
        shutil.rmtree(self.here)

    def url(self, name):
        return f"http://{HOST}:{self.port}/{name}"

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)
