"""What the tiny chat model knows: the closed world of words from which every text is made."""

from __future__ import annotations

import random


def listed(text: str) -> list[str]:
    """`a|b|c` as a list."""
    return text.split("|")


def paired(text: str) -> list[tuple[str, str]]:
    """`a=b|c=d` as a list of pairs."""
    return [(left, right) for left, right in (entry.split("=", 1) for entry in listed(text))]


CAPITALS = dict(
    paired(
        "France=Paris|Germany=Berlin|Italy=Rome|Spain=Madrid|Portugal=Lisbon|Austria=Vienna|"
        "Poland=Warsaw|Norway=Oslo|Sweden=Stockholm|Finland=Helsinki|Denmark=Copenhagen|"
        "Greece=Athens|Ireland=Dublin|Belgium=Brussels|Hungary=Budapest|Romania=Bucharest|"
        "Bulgaria=Sofia|Serbia=Belgrade|Croatia=Zagreb|Ukraine=Kyiv|Russia=Moscow|Turkey=Ankara|"
        "Egypt=Cairo|Kenya=Nairobi|Nigeria=Abuja|Ghana=Accra|Morocco=Rabat|Japan=Tokyo|"
        "China=Beijing|India=New Delhi|Nepal=Kathmandu|Thailand=Bangkok|Vietnam=Hanoi|"
        "Indonesia=Jakarta|Australia=Canberra|Canada=Ottawa|Mexico=Mexico City|Cuba=Havana|"
        "Peru=Lima|Chile=Santiago|Brazil=Brasilia|Argentina=Buenos Aires"
    )
)

COLOURS = dict(
    paired(
        "the sky=blue|grass=green|snow=white|coal=black|blood=red|a banana=yellow|"
        "a carrot=orange|a lemon=yellow|a tomato=red|a cherry=red|milk=white|chocolate=brown|"
        "a plum=purple|an elephant=grey|a flamingo=pink|a frog=green|a crow=black|a swan=white|"
        "the sun=yellow|the sea=blue|a pumpkin=orange|an orange=orange|salt=white|soot=black|"
        "ash=grey|a cucumber=green|a lime=green|a strawberry=red|wood=brown|gold=yellow|"
        "a canary=yellow|an aubergine=purple"
    )
)
COLOUR_NAMES = sorted(set(COLOURS.values()))

PLACES = listed(
    "red box|old house|blue bag|kitchen|garden|tower|green chest|cellar|library|attic|forest|"
    "white car|drawer|well|small room|market|bathroom|shop|cupboard|street"
)
THINGS = listed(
    "key|book|letter|coin|map|lamp|ring|sword|cat|phone|ticket|apple|clock|hat|mirror|rope|cup|"
    "knife|ball|chair"
)
ANIMALS = listed(
    "wolf|owl|bear|fox|whale|tiger|mouse|horse|snail|eagle|otter|camel|goat|shark|bat|deer|lion|"
    "rabbit|heron|lynx"
)
HABITATS = listed(
    "forest|desert|mountains|sea|river|cave|field|jungle|old city|valley|ice|lake|swamp|park"
)
FOODS = listed("fish|grass|berries|mice|leaves|seeds|insects|roots|honey|bread|nuts|frogs")
TIMES = listed("at night|in the morning|all day|in winter|in summer|after rain|at dawn|in spring")
PEOPLE = listed(
    "Anna|Bob|Ivan|Maria|Peter|Olga|John|Eve|Max|Lena|Igor|Nina|Tom|Sara|Paul|Vera|Alex|Kate|"
    "Oleg|Rita|Ada|Luna|Neo|Iris|Emma|Ben|Clara|Hugo|Mia|Leo"
)
JOBS = listed("doctor|teacher|baker|pilot|farmer|singer|painter|sailor|cook|nurse|judge|librarian")
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
CITIES = list(CAPITALS.values())
COPIED = {  # words that answers copy from questions
    word
    for words in (
        PLACES,
        THINGS,
        ANIMALS,
        HABITATS,
        FOODS,
        PEOPLE,
        JOBS,
        CITIES,
        COLOUR_NAMES,
        CAPITALS,
        WEEKDAYS,
    )
    for entry in words
    for word in entry.split()
}

TOPICS = (  # a thing that a text may be about, and what it does
    ("antibiotics", "kill bacteria"),
    ("antibiotics", "are medicines against bacteria"),
    ("antibiotics", "are a type of medication used to treat bacterial infections"),
    ("vaccines", "protect people from illness"),
    ("bees", "make honey"),
    ("bridges", "carry roads over rivers"),
    ("trees", "give shade"),
    ("volcanoes", "spit fire"),
    ("robots", "work in factories"),
    ("clouds", "bring rain"),
    ("maps", "show the way"),
    ("trains", "carry people"),
    ("lemurs", "live in trees"),
    ("stars", "shine at night"),
    ("computers", "follow instructions"),
    ("books", "keep what people know"),
    ("windmills", "turn wind into flour"),
    ("whales", "sing in the sea"),
)

_CONSONANTS = listed(
    "b|c|d|f|g|h|j|k|l|m|n|p|r|s|t|v|w|z|br|ch|cl|dr|fr|gr|kr|pl|pr|sh|sk|st|th|tr|qu"
)
_VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ea", "oo", "ou", "y"]
_ENDINGS = ["", "", "n", "r", "s", "l", "m", "t", "k", "x", "nd", "st", "ng", ""]
_SCRIPTS = (
    "абвгдежзийклмнопрстуфхцчшщыьэюя",
    "αβγδεζηθικλμνοπρστυφω",
    "éèüöäñçøåß",
    "日本東京山川大小人水火木月",
)


def capitalised(text: str) -> str:
    """`text` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def made_up_word(r: random.Random, syllables: int | None = None) -> str:
    """A word that nobody has seen: `grouk`, `thealor`."""
    count = syllables or r.choice([1, 2, 2, 2, 3])
    stem = "".join(r.choice(_CONSONANTS) + r.choice(_VOWELS) for _ in range(count))
    return stem + r.choice(_ENDINGS)


def foreign_word(r: random.Random) -> str:
    """A short string of letters from another script."""
    script = _SCRIPTS[0] if r.random() < 0.6 else r.choice(_SCRIPTS[1:])
    return "".join(r.choice(script) for _ in range(r.randint(1, 6)))


def person(r: random.Random) -> str:
    """A first name, known or made up."""
    if r.random() < 0.35:
        return r.choice(PEOPLE)
    return capitalised(made_up_word(r, r.choice([1, 2, 2, 3])))


def town(r: random.Random) -> str:
    """A town, known or made up."""
    return r.choice(CITIES) if r.random() < 0.5 else capitalised(made_up_word(r, 2))


def any_word(r: random.Random) -> str:
    """A word of any kind, for texts that only have to be copied."""
    u = r.random()
    if u < 0.55:
        word = made_up_word(r)
    elif u < 0.75:
        word = r.choice(THINGS + ANIMALS + FOODS + HABITATS + COLOUR_NAMES)
    elif u < 0.84:
        word = str(r.randint(0, 9999))
    elif u < 0.97:
        word = r.choice(PEOPLE + CITIES)
    else:
        word = foreign_word(r)
    return capitalised(word) if r.random() < 0.15 else word


def some_words(r: random.Random) -> str:
    """One to seven words in a row, now and then with a mark at the end."""
    text = " ".join(any_word(r) for _ in range(r.choice([1, 1, 2, 2, 3, 3, 4, 5, 6])))
    return text + r.choice(".!?") if r.random() < 0.12 else text
