"""The wordings of every question, in three groups that never mix.

`trained` wordings are the ones the model learns from, `held` are plain ones kept back, and `free`
are looser paraphrases, nearly all with words that no trained wording of the skill has. Training
throws away every question that a held or free wording matches (`KeptBack`).
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .chat_world import listed

_PREFIXES = listed(
    "Please, |Hey, |OK. |Now: |And now: |Tell me: |One question: |Well, |Please |Listen. |"
    "Friend, |I want to know: |Next. |Could you help? |Hi! |Hello. |Good morning. |So, |"
    "Next question: |Question: |Excuse me, |Quick question: |Sorry, |Right, |My question: |"
    "Can you help me? |A question for you: |Thanks. |Hmm, |I have a question. |Dear friend, |"
    "By the way, |Great. |I wonder: |Think: |Now tell me this: |Just for fun: |Another one: |"
    "Good. |Tell me, "
)
_SUFFIXES = listed(
    " Thanks.| Please.| I need it.| Quickly.| Thank you!| I forgot.| Please!| Do you know?|"
    " Thank you.| Just curious.| I am not sure.| It is for a friend.| Please help.|"
    " Answer, please.| Hurry."
)


@dataclass(frozen=True)
class Wordings:
    """The three groups of templates of one skill."""

    lines: tuple[tuple[str, ...], ...]  # the trained ones: what each line of them stands for
    held: tuple[str, ...] = ()
    free: tuple[str, ...] = ()

    @property
    def trained(self) -> tuple[str, ...]:
        """All trained templates."""
        return tuple(itertools.chain.from_iterable(self.lines))

    def pick(self, r: random.Random, group: str) -> str:
        """One template of a group; a skill without such a group gives a trained one."""
        kept_back = {"held": self.held, "free": self.free}.get(group)
        return r.choice(kept_back or r.choice(self.lines))


def spread(line: str) -> tuple[str, ...]:
    """All that a line with alternatives stands for: `<a/b> c` is `a c` and `b c`."""
    parts = re.split(r"<(.*?)>", line)
    return tuple(map("".join, itertools.product(*(part.split("/") for part in parts))))


def wordings(trained: str, held: str = "", free: str = "") -> Wordings:
    """Wordings from three blocks of text with one template a line (`|` stands for a newline).

    A trained line may have alternatives, and comes as often as another line does.
    """

    def lines(block: str) -> tuple[str, ...]:
        kept = (line.strip().replace("|", "\n") for line in block.strip().splitlines())
        return tuple(line for line in kept if line)

    return Wordings(tuple(map(spread, lines(trained))), lines(held), lines(free))


def bare(text: str) -> str:
    """`text` in lower case without punctuation, so that two wordings can be compared."""
    return " ".join(re.sub(r"[^\w{}+]", " ", text.lower()).split())


def _pattern(template: str) -> str:
    pieces = re.split(r"\{\w+\}", bare(template))
    return ".+".join(re.escape(piece) for piece in pieces)


class KeptBack:
    """Knows whether a question could be a held or free wording of a skill."""

    def __init__(self, groups: Iterable[Wordings]) -> None:
        self.groups = tuple(groups)
        patterns = [_pattern(t) for group in self.groups for t in group.held + group.free]
        self._regex = re.compile("|".join(patterns)) if patterns else None

    def matches(self, question: str) -> bool:
        """Does the whole question, or what stays without its first words, match one?"""
        if self._regex is None:
            return False
        text = bare(question)
        return self._regex.fullmatch(text) is not None


_FILLERS = frozenset(
    listed(
        "a|about|above|after|again|all|also|always|and|any|as|ask|at|away|back|be|because|been|"
        "before|begin|best|better|big|both|bring|but|buy|by|came|can|carry|clean|close|come|could|"
        "cut|day|did|do|does|done|down|draw|drink|each|easy|eat|end|even|ever|every|far|fast|feel|"
        "find|first|fly|for|friend|from|full|fun|gave|get|give|go|going|good|got|great|grow|had|hand|"
        "has|have|head|hear|help|her|here|him|his|hold|home|hot|house|idea|if|in|into|it|its|just|keep|"
        "kind|know|last|late|laugh|learn|leave|left|let|light|like|line|little|live|long|look|made|"
        "make|many|may|maybe|meet|might|moment|most|move|much|must|near|need|never|new|next|nice|night|"
        "now|of|off|often|old|on|once|one|only|open|or|other|our|out|over|own|page|paper|part|people|"
        "perhaps|pick|place|play|please|point|put|question|quite|rather|read|real|really|ride|right|"
        "round|run|said|same|saw|say|school|see|seem|send|set|shall|she|should|show|side|since|sit|"
        "small|so|some|soon|speak|stand|start|still|stop|story|such|sure|take|talk|tell|than|thank|that|"
        "the|their|them|then|there|these|they|thing|think|this|those|time|to|today|together|too|try|"
        "turn|under|until|up|upon|us|use|very|visit|wait|walk|want|warm|was|wash|water|way|we|week|"
        "well|went|were|while|will|wish|with|wonder|word|work|world|would|write|year|yes|yet|young"
    )
)


def fillers(groups: Iterable[Wordings], keys: Iterable[str]) -> list[str]:
    """Common words that neither carry a question nor give a free wording away."""
    trained = {w for g in groups for t in g.trained for w in bare(t).split()}
    free = {w for g in groups for t in g.free + g.held for w in bare(t).split()}
    return sorted(_FILLERS - set(keys) - (free - trained))


def scatter(
    r: random.Random, keys: Iterable[str], others: Sequence[str], made_up: Callable[[], str]
) -> str:
    """A template that is hardly a question: the words that carry it among others that do not."""
    words: list[str] = []
    for key in [*keys, ""]:
        gap = r.choice([0, 1, 1, 2, 2, 3, 4])
        words += [made_up() if r.random() < 0.25 else r.choice(others) for _ in range(gap)]
        words += [key] if key else []
    commas = [word + r.choice(",,;:") if r.random() < 0.07 else word for word in words[:-1]]
    return " ".join([*commas, words[-1]]) + r.choice(["?", "?", "?", "?", ".", "!", ""])


def dress(r: random.Random, question: str, *, suffix: bool = True) -> str:
    """The question as people type it: a prefix, a suffix, odd case, marks missing or doubled."""
    u = r.random()
    if u < 0.22:
        lower = r.random() < 0.6 and question.split()[0] in _LOWERED
        body = question[0].lower() + question[1:] if lower else question
        question = r.choice(_PREFIXES) + body
    elif u < 0.30 and suffix:
        question += r.choice(_SUFFIXES)
    return mistype(r, question)


def mistype(r: random.Random, text: str) -> str:
    """Odd case and punctuation, seldom enough that most questions stay as they are."""
    u = r.random()
    if u < 0.03 and text[-1:] in ".?!":
        return text[:-1]
    if u < 0.045 and text[-1:] == "?":
        return text + "?"
    if u < 0.055 and text[-1:] in ".?":
        return text[:-1] + "!"
    if u < 0.085:
        return text[:1].lower() + text[1:]
    return text


_LOWERED = frozenset(
    listed(
        "What|Which|Tell|Name|Say|Do|Add|How|Calculate|Who|Repeat|Echo|Copy|Explain|Summarise|"
        "Answer|Reply|Give|Could|Can|Would|Where|In|The|Is|Are|Find|State|Write|Remind|Count|Has|"
        "Does|I|My"
    )
)


def blur(r: random.Random, template: str, keys: frozenset[str], made_up: str) -> str:
    """Now and then swaps or drops a word or two of a template that carry little meaning."""
    words = template.split(" ")
    loose = [
        i for i, w in enumerate(words) if "{" not in w and "\n" not in w and bare(w) not in keys
    ]
    if len(loose) < 3 or r.random() > 0.3:
        return template
    for at in sorted(r.sample(loose, r.choice([1, 1, 2]) if len(loose) > 4 else 1), reverse=True):
        words[at : at + 1] = [] if r.random() < 0.3 else [made_up]
    return " ".join(words)
