"""Pictures to an engine and answers back, one at a time. Knows no console."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from localai.captioning.sources import PictureSource, fetch
from localai.captioning.tasks import CaptionTask
from localai.formats.answer import Answer
from localai.generation import build
from localai.generation.build import GenerateOptions
from localai.generation.pictures import Attachments
from localai.media.pictures import DecodedPicture, Detail, open_picture
from localai.pool.engine_client import EngineClient
from localai.types import Notice

if TYPE_CHECKING:
    from localai.prompts.files import Prompt


class PictureCaption(NamedTuple):
    """What was said of a picture."""

    source: PictureSource
    text: str
    picture: DecodedPicture
    answer: Answer
    shortened: bool  # to the words that were asked for: what is missing was not wanted

    def remark(self) -> str:
        """Return what should be said of how it ended; empty: there is nothing to say."""
        return "" if self.shortened else self.answer.remark()

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` shows it; the keys are stable."""
        picture, usage = self.picture, self.answer.usage
        return {
            "file": self.source.name,
            "text": self.text,
            "width": picture.original[0],
            "height": picture.original[1],
            "frames": picture.frames,
            "date": picture.taken or None,
            "model": self.answer.model,
            "finish": self.answer.finish,
            "error": None,
            "tokens": {
                "prompt": usage.prompt_tokens if usage else 0,
                "answer": usage.answer_tokens if usage else 0,
            },
        }


class Describer:
    """Asks the same of picture after picture.

    Parameters
    ----------
    task : CaptionTask
        What is asked, unless a prompt file asks it.
    options : GenerateOptions
        What was said of the answer; where no temperature was said, it is greedy: the same picture
        gets the same words.
    detail : "low", "high" or None
        How closely to look; None: as the task needs.
    image_tokens : int or None
        Tokens of a picture, at most.
    prefix : str
        Text before each answer.

    Raises
    ------
    BadInput
        The options contradict each other, or a constraint is wrong.
    """

    def __init__(
        self,
        task: CaptionTask,
        options: GenerateOptions,
        prompt: Prompt | None = None,
        detail: Detail | None = None,
        image_tokens: int | None = None,
        prefix: str = "",
    ) -> None:
        self._task, self._prefix = task, prefix
        self._detail = detail or task.detail
        if options.temperature is None and not (prompt and prompt.temperature is not None):
            options = options._replace(temperature=0.0)
        if task.regex:
            options = options._replace(regex=task.regex)
        if not (prompt and prompt.max_tokens):
            options = options._replace(max_tokens=options.max_tokens or task.max_tokens)
        made = build.request(options, task.question, prompt)
        self._request = made._replace(image_tokens=image_tokens, interactive=False)

    def decode(self, source: PictureSource, read_stdin: Callable[[], bytes]) -> DecodedPicture:
        """Return a picture that was named.

        Raises
        ------
        BadInput
            It cannot be read, or is none.
        """
        if source.path is not None:
            return open_picture(source.path, source.name, self._detail)
        if source.address:
            return open_picture(fetch(source.address), source.name, self._detail)
        return open_picture(read_stdin(), "stdin", self._detail)

    def describe(
        self,
        engine: EngineClient,
        model: str,
        source: PictureSource,
        picture: DecodedPicture,
        notice: Callable[[str], None],
    ) -> PictureCaption:
        """Return what the model says of a picture.

        Parameters
        ----------
        notice : callable
            Takes what whoever asked should know before the answer comes.

        Raises
        ------
        ConstraintNotMet
            The answer has no form yet where it had to end.
        LocalaiError
            What went wrong in the engine.
        """
        answer = Answer(model)
        with (
            Attachments([picture.pixels]) as attached,
            closing(engine.ask(attached.to(self._request), attached.files)) as events,
        ):
            for event in events:
                answer.take(event)
                if isinstance(event, Notice):
                    notice(event.text)
        answer.refuse_thinking_alone()
        text = self._task.finish(answer.content)
        shortened = self._task.most_words is not None and len(text.split()) >= self._task.most_words
        return PictureCaption(source, self._prefix + text, picture, answer, shortened)
