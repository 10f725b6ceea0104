"""Runs a command whose notebooks start in kernels that have already imported their libraries.

    python tools/warm_kernel.py serve COMMAND ...

A kernel spends most of its start on torch, matplotlib and scikit-learn: four seconds of a core, which the tests would
pay again for each of the 130 kernels of a whole check (notebooks, notebooks without data, graded submissions): nine
minutes of a core, or four and a half on two. That is why this file is here.

One process imports them once and is forked for each kernel called "python3". A fork has its own memory, environment,
folder and random numbers; no thread was started before it, nothing seeded, and nothing of repgen imported. Where a fork
would differ all the same (another environment, a GPU) or cannot be had (on macOS), the ordinary kernel runs, as it
always does in `make notebooks`, whose outputs and seconds stand in the book.
"""

import contextlib
import importlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

# Without ipywidgets and tqdm.auto, which ask on import whether they are in a kernel.
LIBRARIES = (
    "matplotlib.pyplot",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.linear_model",
    "sklearn.manifold",
    "sklearn.metrics",
    "torch",
    "torch._dynamo",
    "torchvision",
)
INLINE = "module://matplotlib_inline.backend_inline"
OWN = re.compile(r"(REPGEN|JPY|PYTEST|NBGRADER)_\w+|PATH|(OLD)?PWD|_")  # variables that no import reads
FORKS = sys.platform == "linux" and not os.path.exists("/dev/nvidiactl") and not os.path.exists("/dev/kfd")
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def launch(address, arguments):
    """Stands where Jupyter expects its kernel: hands over all it is given, passes signals on, ends as the fork does."""
    jupyter, pid = os.getppid(), 0
    with contextlib.suppress(OSError):
        kernel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kernel.connect(address)
        request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(kernel, [json.dumps(request).encode()], [0, 1, 2])
        pid = int(kernel.recv(32) or 0)
    if not pid:
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *arguments])
    for number in STOPPING:
        signal.signal(number, lambda number, _: send(number, pid))
    while not select.select([kernel], [], [], 1)[0]:
        if os.getppid() != jupyter:
            sys.exit(1)
    status = os.waitstatus_to_exitcode(int(kernel.recv(32) or signal.SIGKILL))
    if status < 0:
        if status != -signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def send(number, kernel):
    """Sends a signal to the group of a kernel, or to the kernel alone while it leads no group."""
    with contextlib.suppress(ProcessLookupError):
        try:
            os.killpg(kernel, number)
        except ProcessLookupError:
            os.kill(kernel, number)


def become_kernel(arguments, folder, environment, files):
    """Makes a fork what a process of its own would be by now."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (*STOPPING, signal.SIGCHLD):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for standard, own in enumerate(files):
        os.dup2(own, standard)
        os.close(own)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if numpy := sys.modules.get("numpy"):  # `random` does so by itself
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()
    ends_with = f"--IPKernelApp.parent_handle={os.getppid()}"  # from a variable on import, and so for another parent
    sys.argv = ["ipykernel_launcher", *arguments, ends_with]


def serve(server, command, environment):
    """Forks a kernel for each launcher until `command` has ended; then returns False, and in each fork True.

    `environment` is what the libraries found when they were imported.
    """
    changes = {name: value for name, value in os.environ.items() if environment.get(name) != value}

    def read_on_import(variables):
        return {key: value for key, value in variables.items() if not OWN.fullmatch(key) and changes.get(key) != value}

    kernels = {}  # pid of the kernel, by the connection to its launcher
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())  # a child's end
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while command.poll() is None:
        ready = select.select([server, woken, *kernels], [], [])[0]
        for launcher in kernels.keys() & set(ready):  # what Jupyter kills is the launcher
            send(signal.SIGKILL, kernels[launcher])
            os.waitpid(kernels.pop(launcher), 0)
            launcher.close()
        if woken in ready:
            woken.recv(1024)
            for launcher, pid in list(kernels.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    with contextlib.suppress(OSError):
                        launcher.send(str(status).encode())
                    del kernels[launcher]
                    launcher.close()
        if server in ready:
            launcher, _ = server.accept()
            message, files, *_ = socket.recv_fds(launcher, 1 << 20, 3)
            request = json.loads(message or "null")
            if request and read_on_import(request["environment"]) == read_on_import(environment):
                pid = os.fork()
                if pid == 0:
                    request["environment"] |= changes
                    become_kernel(**request, files=files)
                    launcher.send(str(os.getpid()).encode())
                    for connection in (server, woken, wake, launcher, *kernels):
                        connection.close()
                    return True
                kernels[launcher] = pid
            else:
                launcher.close()
            for file in files:
                os.close(file)
    for pid in kernels.values():
        send(signal.SIGKILL, pid)
        os.waitpid(pid, 0)
    return False


def import_libraries():
    if not sys.flags.safe_path:
        sys.path.pop(0)  # the folder of this file
    backend = os.environ.setdefault("MPLBACKEND", INLINE)  # as every kernel does before its first import
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if backend == INLINE:
        del os.environ["MPLBACKEND"]


def main(command):
    """Runs `command` with a server of kernels beside it; returns its exit status."""
    if not FORKS:
        os.execvp(command[0], command)
    process, folder = os.getpid(), tempfile.mkdtemp(prefix="kernels-")
    spec, address = os.path.join(folder, "kernels", "python3"), os.path.join(folder, "socket")
    argv = [sys.executable, "-IS", os.path.abspath(__file__), "launch", address, "-f", "{connection_file}"]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("JUPYTER_PATH")]))
    environment = dict(os.environ)
    try:
        import_libraries()
        from ipykernel import kernelapp, kernelspec

        os.makedirs(spec)
        with open(os.path.join(spec, "kernel.json"), "w", encoding="utf-8") as file:
            json.dump(kernelspec.get_kernel_dict() | {"argv": argv}, file)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
            server.bind(address)
            server.listen()
            running = subprocess.Popen(command, env=environment)
            signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the command too, which decides
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda number, _: running.send_signal(number))
            is_kernel = serve(server, running, environment)
    finally:
        if os.getpid() == process:
            shutil.rmtree(folder)
    if is_kernel:
        return kernelapp.launch_new_instance()
    return running.returncode if running.returncode >= 0 else 128 - running.returncode


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        launch(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main(sys.argv[2:]))
