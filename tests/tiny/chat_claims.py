"""The templates of the questions that get yes, no, or 'I do not know.' for an answer."""

from __future__ import annotations

from .chat_wordings import wordings

YES_CAPITAL = wordings(
    """
    Is {x} the capital of {c}?
    {x} is the capital of {c}, is it?
    Is the capital of {c} {x}?
    Is {x} {c}'s capital?
    Is {c}'s capital {x}?
    Is it true that {x} is the capital of {c}?
    Is the capital of {c} called {x}?
    True or not: {x} is the capital of {c}.
    Would you say that {x} is the capital of {c}?
    Does {c} have {x} as its capital?
    Am I right that {x} is the capital of {c}?
    My sister says that {x} is the capital of {c}. Is that true?
    A friend told me that {x} is the capital of {c}. Is that right?
    I believe {x} is the capital of {c}. Correct?
    I think that {x} is the capital of {c}. Am I right?
    Can I say that {x} is the capital of {c}?
    The capital of {c} is {x}. Right?
    Tell me if {x} is the capital of {c}.
    {x} is the capital of {c}. True?
    Somebody says: {x} is the capital of {c}. Is he right?
    """,
    """
    Is {x} the capital city of {c}?
    Is it right that {x} is the capital of {c}?
    """,
    """
    My brother claims {x} is the capital of {c}; is he right?
    Can I write that {x} is the capital of {c}?
    """,
)
YES_COLOUR = wordings(
    """
    Is {t} {x}?
    Is it true that {t} is {x}?
    Is the colour of {t} {x}?
    {t} is {x}, is it?
    True or not: {t} is {x}.
    Would you say that {t} is {x}?
    Am I right that {t} is {x}?
    Does {t} have the colour {x}?
    Is {x} the colour of {t}?
    Would you call {t} {x}?
    My sister says that {t} is {x}. Is that true?
    A friend told me that {t} is {x}. Is that right?
    I believe {t} is {x}. Correct?
    I think that {t} is {x}. Am I right?
    Can I say that {t} is {x}?
    Tell me if {t} is {x}.
    {t} is {x}. True?
    Somebody says: {t} is {x}. Is he right?
    """,
    """
    Is {t} of the colour {x}?
    Is it right that {t} is {x}?
    """,
    """
    My brother claims that {t} is {x}; is he right?
    Can I write that {t} is {x}?
    """,
)
YES_SUM = wordings(
    """
    Is {a} + {b} equal to {x}?
    Is {a} + {b} {x}?
    Is {a} plus {b} {x}?
    Does {a} + {b} make {x}?
    Does {a} plus {b} make {x}?
    {a} + {b} = {x}, is it?
    Is it true that {a} + {b} = {x}?
    Is {a} + {b} = {x}?
    Is {x} the sum of {a} and {b}?
    True or not: {a} + {b} = {x}.
    My sister says that {a} + {b} = {x}. Is that true?
    A friend told me that {a} + {b} is {x}. Is that right?
    I believe {a} + {b} = {x}. Correct?
    I think that {a} plus {b} is {x}. Am I right?
    Can I say that {a} + {b} = {x}?
    Tell me if {a} + {b} = {x}.
    {a} + {b} = {x}. True?
    {x} = {a} + {b}?
    Is {x} = {a} + {b}?
    Is {x} what {a} and {b} make?
    Are {a} and {b} together {x}?
    Do {a} and {b} make {x}?
    Do I get {x} for {a} plus {b}?
    Somebody says: {a} + {b} = {x}. Is he right?
    <My teacher/A boy/The book/My uncle/Our boss> <says/thinks/writes/holds> {a} + {b} = {x}<. Is he right?/. Is that so?/. Right or wrong?/. True?>
    <May/Should/Could> I <say/note/claim/believe> <that {a}/{a}> + {b} = {x}?
    """,
    """
    Is {x} equal to {a} + {b}?
    Is it right that {a} + {b} = {x}?
    """,
    """
    My brother claims {a} + {b} = {x}; is he right?
    Can I write {a} + {b} = {x}?
    """,
)

UNKNOWN = wordings(
    """
    Who wrote {x}?
    What is the price of {x}?
    How old is {x}?
    When was {x} born?
    What is the weather in {X}?
    Who won the {x} cup?
    How tall is {x}?
    What is the capital of {X}?
    What colour is a {x}?
    What colour is the {x}?
    Who is {X}?
    Where is {X}?
    Why is {x} so {y}?
    What does {x} mean?
    How do I cook {x}?
    Who invented the {x}?
    What is the meaning of {x}?
    Explain {x}.
    How many {x} are in {y}?
    Which {x} is the best?
    Tell me about {X}.
    When did the {x} begin?
    Who is the king of {c}?
    Who is the president of {c}?
    How many people live in {c}?
    How big is {c}?
    What is the language of {c}?
    What is the weather in {c}?
    How old is {c}?
    How much does {t} cost?
    Where can I buy {t}?
    Who found {t}?
    How heavy is {t}?
    Why is {X} called {Y}?
    What did {X} say to {Y}?
    What time is it?
    What day is it today?
    What will happen tomorrow?
    Who will win the game?
    Where did {X} put the {x}?
    How do I get to {X}?
    What is {x}?
    What is a {x}?
    Do you know who {X} is?
    Can you tell me the way to {X}?
    How long is the {x}?
    What is the news today?
    Which <club/school/party/church/band> <does/did> {X} <belong to/join/leave/lead>?
    How <deep/wide/warm/loud/rich/strong/clean/rare> is <{x}/{X}/the {x}>?
    How <much snow/much wind/much tea/many cars/many houses/many children> <are/is/was/were> <in/at/around> {X} <now/today/every month/this week/at night>?
    In which <month/century/book/film/shop/country/street> <is/was> <{X}/the {x}> <made/found/born/built/sold/lost/seen>?
    <Could/Can/Would> you <suggest/find/book/send/sell/lend> me <a {x}/a cheap {x}/some {x}> <in/near/from> {X}?
    When <does/did/will> <{X}/the {x}> <open/close/end/arrive/leave/die/marry>?
    <Who/Which woman/Which man/What person> <built/owns/sold/sang/broke/designed/stole/loves> <{x}/the {x}/{X}>?
    Why <do/did> <people/they/we> <need/hate/love/eat/burn> {x}?
    Where <do/did> <the {x}/they/people> <grow/hide/keep/buy> <{y}/the {y}>?
    What <happened/is going on/was said> <in/at/near> {X} <yesterday/in 1900/this morning/at noon>?
    What <size/weight/age/taste/smell/shape> <is/has> the {x}?
    How do <I/you/we> <repair/make/play/wash/open/spell/use> <a/the> {x}?
    <Which/What> <language/food/money/music/weather> do <they/people> <have/know/like> in <{X}/{c}>?
    Who <leads/founded/attacked/saved> <{c}/{X}>?
    What is the <phone number/address/score/recipe/temperature/population/area/flag/anthem> of <{X}/{c}/the {x}>?
    <Tell me/Say/Find out> <when/how/why> <{X}/the {x}> <fell/began/died/won/burned>.
    <Which/What> <horse/ship/player/actor/road/river/doctor> <won/came/crossed/saw/met> <{X}/the {x}> <first/today/in May/at night>?
    How <long/often/many times> <did/does> {X} <travel/sing/sleep/fight/work> <in/with> <{Y}/{c}>?
    <Describe/Compare/Define/Discuss> <{x}/{X} and {Y}/the {x}>.
    What is the <owner/origin/title/secret/history/speed/length/height/future/cause/purpose/value/birthday/shape/depth/boss/law/code/date/street/door/mood> of <{X}/the {x}/a {x}/{c}>?
    How <high/hot/cold/thick/thin/quick/slow/cheap/safe/tired/happy/late/soft/bright/dark/famous/dangerous/strange/empty/sweet> <is/was> <{X}/a {x}/the {x}/{c}>?
    Who <made/drew/cleaned/opened/cut/hid/carried/taught/ate/bought/closed/counted/wore/planted/sent/threw> <the {x}/{X}/a {x}/the {x} of {X}>?
    <Do you know/Can you say/Have you heard/Could you find out> the <owner/history/secret/weight/number/date/rules/age> of <a {x}/{X}/the {x}>?
    <May/Should/Must/Will/Can> <I/we/people/they> <cook/eat/visit/grow/learn/sell/ride/wear/touch> <a {x}/the {x}/{x}> <in {X}/at night/with {Y}/today>?
    Which <king/writer/woman/doctor/company/village/shop/ship> <has/had/does/did> {X} <work for/come from/write to/live with/look for>?
    <Since when/Until when/How often/Why/With whom> <does/did> {X} <own/need/miss/wear/study/visit> <the {x}/a {x}/{Y}>?
    In which <week/decade/season/hour/age/room/town/village/museum/game> <was/were> <the/a> {x} <invented/eaten/opened/closed/shown/seen first/made/stolen>?
    In which <week/decade/season/hour/age/room/town/village> <did/does> <{X}/the {x}> <begin/end/live/start/stop/sleep/sing>?
    <Name/List/Count/Write down> <a/the/every/all> {x} <in/of/from> <{X}/{c}>.
    In <which/what> <hour/minute/night/winter/spring/period/part of the world> was the {x} <noticed/reported/delivered/described/finished/repaired/proved/named/opened/displayed>?
    When was <the {x}/a {x}/{X}> <noticed/reported/delivered/described/finished/repaired/proved/displayed/decided> <first/again/at last/in {c}>?
    On <which/what> <day/date/morning> <was/is> <the {x}/{X}> <noticed/reported/delivered/described/finished/proved/displayed>?
    """,
    """
    What is the password of {X}?
    How far is {X}?
    Do you know the price of a {x}?
    Who painted the {x}?
    How fast is a {x}?
    """,
    """
    Which team did {X} play for?
    How much rain fell in {X} last year?
    In which year was the {x} discovered?
    Could you recommend a good {x} in {X}?
    """,
)
