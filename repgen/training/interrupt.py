"""Ctrl-C as a question that the loop answers at the end of a step."""

import signal
import threading


class Interrupt:
    """Makes the first Ctrl-C a question, ``asked``; a second one breaks at once."""

    def __enter__(self) -> "Interrupt":
        self.asked, self.before = False, None
        ours = threading.current_thread() is threading.main_thread()
        if ours and callable(signal.getsignal(signal.SIGINT)):  # neither ignored nor foreign
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
