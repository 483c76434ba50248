"""What every worker shares: the conversation with the daemon, heartbeats, draining, and how the process ends.

A platform implements ``Platform`` and calls ``run``. It offers what it receives (``Runtime.offer``) and is told what to
send (``Platform.send``). See ``channeld.ipc.messages`` for what travels on the socket.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, TypeVar

import msgspec
import uvloop

from channeld import __version__
from channeld.core.errors import ChanneldError
from channeld.core.errors import Refused as RequestRefused
from channeld.core.lifecycle import EXIT_DONE
from channeld.faultpoint import reach
from channeld.ipc.framing import FrameProtocol
from channeld.ipc.messages import (
    MAX_FRAME_BYTES,
    PROTOCOL,
    Accepted,
    Albums,
    AnswerPrompt,
    AskHistory,
    AskMarks,
    Beat,
    Capabilities,
    Drain,
    Drained,
    Failed,
    Fault,
    Fetch,
    Fetched,
    Groups,
    Hello,
    History,
    HistoryItem,
    Inbound,
    Marks,
    Message,
    Moved,
    NotFetched,
    Notice,
    Offer,
    Presence,
    Prompt,
    Ready,
    Receipt,
    Refused,
    Remember,
    RetryAfter,
    Send,
    Sent,
    Shown,
    Split,
    ToWorker,
    Trouble,
    Typing,
    Uncertain,
    Welcome,
    Withdrawn,
    encode,
    to_worker,
)
from channeld_workers.process import (
    NAME_VARIABLE,
    BadCredentials,
    BadSettings,
    Birthright,
    Blocked,
    configure_log,
    die_with_parent,
    give_back_memory,
    take_birthright,
)

__all__ = ["BadCredentials", "BadSettings", "Blocked", "Outcome", "Platform", "Runtime", "run"]

EXIT_CRASHED: Final = 1
EXIT_ORPHANED: Final = 1  # nobody is left to read it
FLUSH_S: Final = 1.0
"""How long the last frames may take to leave before the process ends anyway."""
RETRY_SOON_S: Final = 1.0

Outcome = Sent | RetryAfter | Failed | Uncertain | Split
Answer = Accepted | Refused | History | Marks
T = TypeVar("T")


class FrameTooLong(ChanneldError):
    """What was to be said to the daemon does not fit into a frame."""

    code = "too_long"


class Platform(Protocol):
    """One platform account. All methods are called on the loop's thread."""

    name: str
    capabilities: Capabilities

    async def start(self, runtime: Runtime) -> str:
        """Connect, and return the account as a person would call it.

        ``receipt`` and ``presence`` may be called before this returns.

        Raises:
            BadCredentials: the token is missing or refused.
            BadSettings: a setting cannot be used.
        """

    async def send(self, part: Send) -> Outcome:
        """Carry out one part and return the outcome with the part's ``ref``.

        Parts of different chats are sent concurrently; of one chat the daemon asks for one at a time. An exception
        counts as ``Uncertain``: raise only where nobody can tell whether the part was sent.
        """

    async def fetch(self, wanted: Fetch) -> Fetched | NotFetched:
        """Bring a file into the inbox (only where an attachment was offered with a token).

        An exception counts as ``NotFetched``.
        """

    def receipt(self, item: HistoryItem) -> None:
        """Hear that a message is new or has changed (only with ``capabilities.receipts``)."""

    def presence(self, presence: Presence) -> None:
        """Hear whether a session listens (only with ``capabilities.presence``)."""

    def groups(self, groups: Groups) -> None:
        """Hear which groups are open (only with ``capabilities.groups``)."""

    def typing(self, typing: Typing) -> None:
        """Hear that Claude works on a message of a chat, or ceased to (only with ``capabilities.presence``)."""

    def prompt(self, prompt: Prompt) -> None:
        """Hear of a prompt that is open or settled now (only with ``capabilities.prompts``)."""

    def notice(self, notice: Notice) -> None:
        """Show channeld's own words in a chat (only with ``capabilities.notices``)."""

    async def stop(self) -> None:
        """Stop receiving and close connections; also called after a start that was cut short or failed."""


class Runtime:
    """A platform's view of the daemon.

    Attributes:
        worker: the worker's name, the first part of its chat ids.
        token: its credential, None where it has none.
        log: a structlog logger; never give it message text or a secret.
        settings: the worker's table of the configuration, known when ``Platform.start`` is called.
        inbox: folder for received files, known then as well.
    """

    def __init__(self, worker: str, token: str | None, log: Any, platform: Platform) -> None:
        self.worker = worker
        self.token = token
        self.log = log
        self.settings: dict[str, Any] = {}
        self.inbox = Path()
        self._platform = platform
        self._link = FrameProtocol(self)
        self._welcome: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._drain = asyncio.Event()
        self._crashed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ready = False
        self._ref = 0
        self._refusals_heard = 0
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._sends: set[asyncio.Task[None]] = set()
        self._fetches: set[asyncio.Task[None]] = set()
        """Not waited for at the end: the next process is asked again."""
        self._spawned: set[asyncio.Task[None]] = set()
        self._faults_logged: set[str] = set()

    # -- what platforms call

    async def offer(self, event: Inbound) -> Accepted | Refused:
        """Offer an event, and return once it is on disk or refused. Many may wait at once.

        While the worker drains the answer is ``Refused`` with ``retry``.

        Raises:
            ConnectionError: the daemon is gone; whether the event is on disk is unknown.
        """
        if self._drain.is_set():
            return Refused(ref=0, code="draining", text="The worker is being stopped.", retry=True)
        await self._link.drain()
        reach("worker.before_offer")
        try:
            return await self._ask_whether(lambda ref: Offer(ref=ref, event=event, heard=self._refusals_heard))
        except FrameTooLong as error:
            return Refused(ref=0, code=error.code, text=str(error))

    async def history(
        self,
        chat: str,
        after: str | None = None,
        before: str | None = None,
        limit: int = 200,
        *,
        only: str | None = None,
    ) -> History:
        """Return messages of one of this worker's chats, oldest first.

        Those after an id, the latest before an id, exactly the one with an id (``only``), or else the latest.

        Raises:
            ConnectionError: the daemon is gone.
            channeld.core.errors.Refused: the daemon does not answer this, and says why.
        """
        answer = await self._ask(
            lambda ref: AskHistory(ref=ref, chat=chat, after=after, before=before, only=only, limit=limit)
        )
        if isinstance(answer, Refused):
            raise RequestRefused(answer.text, code=answer.code)
        if not isinstance(answer, History):
            raise ConnectionError("the daemon answered a question with something else")
        return answer

    async def marks(self) -> dict[str, str]:
        """Return what ``remember`` was told, by this process and by those before it.

        Raises:
            ConnectionError: the daemon is gone.
            channeld.core.errors.Refused: the daemon cannot look it up now; ask again.
        """
        answer = await self._ask(lambda ref: AskMarks(ref=ref))
        if isinstance(answer, Refused):
            raise RequestRefused(answer.text, code=answer.code)
        if not isinstance(answer, Marks):
            raise ConnectionError("the daemon answered a question with something else")
        return answer.marks

    def remember(self, marks: dict[str, str]) -> None:
        """Keep small facts for the next process, of at most 200 characters; an empty value forgets one.

        What was accepted before this call is on disk before it.
        """
        self._write(Remember(marks=marks))

    def withdrawn(self, chat: str, message_id: str) -> None:
        """Tell that a sender has deleted a message whose offer was accepted: if it still waits, it is given up."""
        self._write(Withdrawn(chat=chat, message_id=message_id))

    async def answer(
        self, prompt_id: str, answer: str, sender_id: str, sender: str, *, only_ask: bool = False
    ) -> Accepted | Refused:
        """Hand on somebody's answer to a prompt, and return whether it counts; ``only_ask``: whether one would.

        Raises:
            ConnectionError: the daemon is gone.
        """
        return await self._ask_whether(
            lambda ref: AnswerPrompt(
                ref=ref, id=prompt_id, answer=answer, sender_id=sender_id, sender=sender, only_ask=only_ask
            )
        )

    async def moved(self, chat: str, to: str) -> Accepted | Refused:
        """Tell that a chat has a new id, and return when what belongs to it has gone there.

        Raises:
            ConnectionError: the daemon is gone.
        """
        await self._link.drain()
        return await self._ask_whether(lambda ref: Moved(ref=ref, chat=chat, to=to))

    def albums(self, still_open: list[str]) -> None:
        """Tell which albums (``Inbound.album``) may still grow; every other one of this worker is complete."""
        self._write(Albums(open=still_open))

    def shown(self, prompt_id: str, chat: str, message_id: str) -> None:
        """Tell as which message a prompt stands in a chat."""
        self._write(Shown(id=prompt_id, chat=chat, message_id=message_id))

    def account_known(self, account: str) -> None:
        """Tell the account's name, where it was not known at the start; all troubles told so far are over by that."""
        if self._ready:
            self._write(Ready(account=account))

    def trouble(self, code: str, text: str = "", hint: str = "") -> None:
        """Tell that something is wrong on the platform's side; with an empty ``text``, that it is over."""
        self._write(Trouble(code=code, text=text, hint=hint))

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something for as long as the worker lives: if it raises, the process crashes and is started again."""
        task = asyncio.create_task(work, name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned_ended)
        return task

    def _spawned_ended(self, task: asyncio.Task[None]) -> None:
        self._spawned.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._crashed.done():
            self._crashed.set_exception(error)

    # -- the socket's side (FrameHandler)

    def frames(self, lines: list[bytes]) -> None:
        """Take what the daemon said."""
        for line in lines:
            try:
                message = to_worker.decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                self._fault("malformed", f"a frame cannot be read: {error}")
                continue
            self._take(message)

    def oversized(self) -> None:
        """Answer a line that was too long."""
        self._fault("oversized", f"a frame is longer than {MAX_FRAME_BYTES} bytes")

    def closed(self, half: bool) -> None:
        """End: without the daemon there is nobody to work for."""
        self._gone.set()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the daemon is gone"))
        self._answers.clear()

    def _fault(self, code: str, text: str) -> None:
        if code not in self._faults_logged:  # once a process: a peer that is out of step must not fill the log
            self._faults_logged.add(code)
            self.log.warning("bad_frame_from_daemon", code=code, reason=text)
        self._write(Fault(code=code, text=text))

    def _take(self, message: ToWorker) -> None:
        match message:
            case Accepted(ref=ref) | Refused(ref=ref) | History(ref=ref) | Marks(ref=ref):
                if isinstance(message, Accepted):
                    reach("worker.after_accepted")
                elif isinstance(message, Refused):
                    self._refusals_heard = max(self._refusals_heard, message.number)
                waiting = self._answers.pop(ref, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            case Send():
                self._take_send(message)
            case Fetch():
                self._start(self._fetch(message), self._fetches)
            case Receipt(item=item):
                self._tell(self._platform.receipt, item)
            case Presence():
                self._tell(self._platform.presence, message)
            case Groups():
                self._tell(self._platform.groups, message)
            case Typing():
                self._tell(self._platform.typing, message)
            case Prompt():
                self._tell(self._platform.prompt, message)
            case Notice():
                self._tell(self._platform.notice, message)
            case Welcome():
                if not self._welcome.done():
                    self._welcome.set_result(message)
            case Drain():
                self._drain.set()
            case Fault(code=code, text=text):
                self.log.warning("daemon_reports_fault", code=code, reason=text)

    def _tell(self, listener: Callable[[T], None], news: T) -> None:
        try:
            listener(news)
        except Exception:
            # News can be asked for again (history); a mistake in showing it must not cost the connection.
            self.log.exception("news_not_taken", news=type(news).__name__)

    def _take_send(self, part: Send) -> None:
        if self._drain.is_set() or not self._ready:
            self._write(RetryAfter(ref=part.ref, delay_s=RETRY_SOON_S))
            return
        self._start(self._send(part), self._sends)

    @staticmethod
    def _start(work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    async def _fetch(self, wanted: Fetch) -> None:
        answer: Fetched | NotFetched
        try:
            answer = await self._platform.fetch(wanted)
        except Exception as error:
            self.log.exception("fetch_raised", chat=wanted.chat)
            answer = NotFetched(ref=wanted.ref, reason=f"the worker failed while fetching it ({type(error).__name__})")
        self._write(answer)

    async def _send(self, part: Send) -> None:
        reach("worker.before_send")
        outcome: Outcome
        try:
            outcome = await self._platform.send(part)
        except Exception as error:
            self.log.exception("send_raised", send_id=part.send_id, chat=part.chat)
            outcome = Uncertain(ref=part.ref, reason=f"the worker failed while sending ({type(error).__name__})")
        reach("worker.after_send")
        await self._link.drain()
        self._write(outcome)

    async def _ask_whether(self, question: Callable[[int], Message]) -> Accepted | Refused:
        """Ask what is accepted or refused."""
        answer = await self._ask(question)
        if isinstance(answer, History | Marks):
            raise ConnectionError("the daemon answered with something else what is accepted or refused")
        return answer

    async def _ask(self, question: Callable[[int], Message]) -> Answer:
        if self._gone.is_set():
            raise ConnectionError("the daemon is gone")
        self._ref += 1
        ref = self._ref
        line = encode(question(ref))
        if len(line) > MAX_FRAME_BYTES:  # the daemon would skip it, and nobody would ever answer
            raise FrameTooLong(f"It is larger than {MAX_FRAME_BYTES // 1024**2} MiB with everything around it.")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[ref] = answer
        try:
            self._link.write(line)
            return await answer
        finally:
            self._answers.pop(ref, None)

    def _write(self, message: Message) -> None:
        self._link.write(encode(message))

    # -- the life of the process

    async def live(self, sock: socket.socket) -> int:
        """Talk with the daemon over ``sock`` until the worker is done, and return the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._drain.set)
        await loop.create_unix_connection(lambda: self._link, sock=sock)
        life = asyncio.create_task(self._converse(), name="life")
        gone = asyncio.create_task(self._gone.wait(), name="lifeline")
        await asyncio.wait({life, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not life.done():
            self.log.warning("daemon_gone")
            return EXIT_ORPHANED
        self._link.close()  # after what was written has left
        await asyncio.wait({gone}, timeout=FLUSH_S)
        return life.result()

    async def _converse(self) -> int:
        try:
            beat_every_s = await self._greet()
            await self._serve(beat_every_s)
        except Blocked as error:
            self.log.error("worker_blocked", code=error.code, reason=str(error), hint=error.hint)
            self.trouble(error.code, str(error), error.hint)
            await self._stop()
            return error.exit_code
        except Exception:
            self.log.exception("worker_crashed")
            return EXIT_CRASHED
        while in_flight := self._in_flight():
            await asyncio.wait(in_flight)
        await self._stop()
        self._write(Drained())
        self.log.info("worker_drained")
        return EXIT_DONE

    async def _greet(self) -> float:
        """Introduce this worker and return how often to beat, in seconds."""
        self._write(
            Hello(
                protocol=PROTOCOL,
                worker=self.worker,
                platform=self._platform.name,
                version=__version__,
                capabilities=self._platform.capabilities,
            )
        )
        welcome = await self._welcome
        if welcome.protocol != PROTOCOL:
            raise BadSettings(
                f"The daemon speaks protocol {welcome.protocol} and this worker {PROTOCOL}: their versions differ.",
                hint="Run `channeld restart`, so that both come from the version that is installed now.",
                code="protocol_mismatch",
            )
        self.settings, self.inbox = welcome.settings, Path(welcome.inbox)
        return welcome.beat_every_s

    async def _serve(self, beat_every_s: float) -> None:
        """Start the platform and stay until it is time to drain; raise what the start or a spawned task raised."""
        drain = asyncio.create_task(self._drain.wait(), name="drain")
        start = asyncio.create_task(self._platform.start(self), name="start")
        await _first(start, drain, self._crashed)
        if not start.done():  # asked to drain before anything has begun
            start.cancel()
            await asyncio.wait({start})
            return
        account = start.result()
        self._ready = True
        self._write(Ready(account=account))
        self.log.info("worker_ready", account=account)
        self.spawn(self._beat(beat_every_s), "beat")
        give_back_memory()
        await _first(drain, self._crashed)

    def _in_flight(self) -> set[asyncio.Future[Any]]:
        return {*self._sends, *self._answers.values()}

    async def _beat(self, every_s: float) -> None:
        while True:
            self._write(Beat())
            await asyncio.sleep(every_s)

    async def _stop(self) -> None:
        try:
            await self._platform.stop()
        except Exception:
            self.log.exception("platform_stop_failed")


async def _first(*awaited: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; raise its error if it has one."""
    done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
    for thing in done:
        thing.result()


def run(platform: Platform) -> NoReturn:
    """Be the worker process: talk with the daemon that started it until it is told to end, then exit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the daemon's to handle
    os.umask(0o077)
    log = configure_log(os.environ.get(NAME_VARIABLE, ""), None)
    try:
        birth = take_birthright(os.environ)
        die_with_parent(birth.sock)
    except Blocked as error:
        log.error("worker_blocked", code=error.code, reason=str(error), hint=error.hint)
        _leave(error.exit_code)
    except ProcessLookupError:
        _leave(EXIT_ORPHANED)
    uvloop.run(_main(platform, birth, configure_log(birth.worker, birth.token)))
    raise AssertionError("unreachable: the process has left")


async def _main(platform: Platform, birth: Birthright, log: Any) -> None:
    runtime = Runtime(birth.worker, birth.token, log, platform)
    # Leave from inside the loop: winding it up would wait for tasks that the platform's library left behind.
    _leave(await runtime.live(birth.sock))


def _leave(exit_code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(exit_code)
