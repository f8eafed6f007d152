"""What is said into a microphone: captured here, heard by an engine, which says when it ended."""

from __future__ import annotations

from collections.abc import Iterator

from localai.media.microphone import Capture
from localai.media.segments import Segment, tidy
from localai.media.subtitles import About
from localai.media.transcription import (
    HeardSummary,
    Language,
    SoundSource,
    SpeechEnded,
    TranscriptionRequest,
)
from localai.pool.engine_client import EngineClient
from localai.transcription.session import TranscribeOptions
from localai.types import Event, ModelSpec

SILENCE = 1.5  # seconds without a word after which a speaker has ended
_NAME = "the microphone"


class Dictation:
    """One speech into a microphone.

    Parameters
    ----------
    recording : Capture
        What captures it; stopped here, but closed by its owner.
    silence : float
        Seconds of silence after speech that end it; 0: only `Capture.stop` does.

    Attributes
    ----------
    about : About
        What is known of it, for the files that say so.
    summary : HeardSummary or None
        Its figures, once it has been heard.
    segments : list of Segment
        What was heard so far.
    """

    def __init__(
        self,
        recording: Capture,
        options: TranscribeOptions,
        spec: ModelSpec,
        silence: float = SILENCE,
    ) -> None:
        self._recording, self._options, self._silence = recording, options, silence
        self.about = About(file=_NAME, model=spec.name)
        self.summary: HeardSummary | None = None
        self.segments: list[Segment] = []

    def events(self, engine: EngineClient) -> Iterator[Event]:
        """Yield `SpeechEnded` when the speaker has, then what was said.

        Raises
        ------
        Unavailable
            There is no microphone, or it is muted.
        LocalaiError
            The engine failed.
        """
        self._recording.wait()
        events = engine.ask(self._request(), (self._recording.reader,))
        try:
            for event in events:
                yield from self._taken(event)
        finally:
            events.close()
            self._recording.stop()

    def _taken(self, event: Event) -> Iterator[Event]:
        match event:
            case SpeechEnded():
                self._recording.stop()
            case Segment():
                if (clean := tidy(event)) is None:
                    return
                self.segments.append(clean)
                event = clean
            case Language(code, _):
                self.about = self.about._replace(language=code)
            case HeardSummary():
                self.summary = event
                self.about = self.about._replace(duration=event.seconds)
        yield event

    def _request(self) -> TranscriptionRequest:
        source = SoundSource(file=0, name=_NAME)
        return self._options.request(source, interactive=True, listen=self._silence)
