"""The templates of the questions about the world: capitals, colours, sums."""

from __future__ import annotations

from .chat_wordings import wordings

CAPITAL = wordings(
    """
    What is the capital of {c}?
    Which city is the capital of {c}?
    Tell me the capital of {c}.
    Name the capital of {c}.
    capital of {c}?
    {c}: capital?
    the capital of {c}
    capital {c}
    {c} capital
    {c} capital?
    Do you know the capital of {c}?
    I forgot the capital of {c}. What is it?
    What is the capital city of {c}?
    Say the capital of {c}.
    What city is the capital of {c}?
    And the capital of {c}?
    Quick, the capital of {c}?
    What is {c}'s capital?
    {c}'s capital?
    Name {c}'s capital city.
    Which city is {c}'s capital?
    Give me the capital of {c}.
    I need the capital of {c}.
    I want to know the capital of {c}.
    Can you name the capital of {c}?
    Could you tell me the capital of {c}?
    Would you tell me what {c}'s capital is?
    What do you call the capital of {c}?
    What is the name of the capital of {c}?
    What is the main city of {c}?
    Which city rules {c}?
    In which city is the government of {c}?
    Where is the government of {c}?
    The capital of {c} is which city?
    {c} has which capital?
    What capital does {c} have?
    What capital city belongs to {c}?
    My teacher asks for the capital of {c}.
    For a quiz: the capital of {c}?
    Quiz: which city is the capital of {c}?
    Help me with geography: what is the capital of {c}?
    Let us talk about {c}. What is its capital?
    I am going to {c}. What is the capital there?
    I live in {c}. What is the capital of my country?
    A friend comes from {c}. What is the capital of that country?
    Country: {c}. Capital:
    Country: {c}|Capital:
    What is the capital of the country {c}?
    Which capital belongs to {c}?
    The country is {c}. Name its capital.
    Think of {c}. Which city is its capital?
    the capital city of {c}, please
    Please name {c}'s capital.
    Find the capital of {c}.
    State the capital of {c}.
    Write the capital of {c}.
    Have you heard of {c}? What is its capital?
    capital city {c}?
    Remind me of the capital of {c}.
    I would love to see the capital of {c}. What is it called?
    My sister moved to the capital of {c}. Which city is that?
    If I go to the capital of {c}, in which city am I?
    We learn about {c} at school. What is its capital?
    On the map I see {c}. Where is its capital?
    I want to travel to {c}. What is the name of its capital?
    {c} is a big country. What is its capital?
    {c} is beautiful. And its capital?
    My exercise is about {c} and its capital. Can you help?
    For school I have to write down the capital of {c}.
    Which place is the capital of {c}?
    A child asks about {c}: what is its capital?
    The train takes us to the capital of {c}. Where do we arrive?
    <My uncle/My cousin/Our neighbour/A colleague/The new pupil/My boss> <works in/flies to/comes from/writes about/dreams of/likes> {c}. <What is the capital/Which city is the capital/Name its capital/What is its capital>?
    <Fill the gap/Complete this/Finish the line>: the capital of {c} is ...
    I <cannot recall/do not remember/always mix up/never learned> the capital of {c}. <Which one is it/Help me/What is it/Say it>?
    <Which/What> city <serves as/is known as/counts as/acts as> the capital of {c}?
    In which city does the parliament of {c} <sit/meet/work>?
    <A crossword/A puzzle/A test/This form/The radio/My diary> <wants/asks for/needs> the capital of {c}<./, do you know it?/: which city is it?/; what do I write?>
    If <a tourist/a student/an old lady/a driver> <wants/looks for/needs/seeks> the capital of {c}, <which city/what> do you <say/answer>?
    <Driving/Cycling/Walking> through {c} we <reach/come to/see> the capital. <Which city is it/What is its name>?
    <Seat of government/Chief city/Head city/Leading city> of {c}?
    <I am curious/We argue/The kids want to know/It matters to us/They ask me>: <what/which city> is the capital of {c}?
    <Teach me/Show me/Find out/Look up> the capital of {c}.
    {c} <interests me/is far away/is new to me/sounds nice/is on my list>. <What about its capital/What is the capital/And the capital>?
    <Once more/Again/First/Finally>, <what was/what is/which city is> the capital of {c}?
    <Between us/To be sure/In short/Honestly>, <what/which city> is {c}'s capital?
    The <book/film/song/letter/story> <is about/speaks of/takes place in> the capital of {c}. <Which city is meant/What city is it/Name it>.
    """,
    """
    Can you tell me what the capital of {c} is?
    Please give me the capital of {c}.
    Hello! What is the capital city of {c}, please?
    Do you happen to know {c}'s capital?
    I would like to know what the capital of {c} is.
    The capital city of {c} is called what?
    """,
    """
    Which town is the capital of {c}?
    I am planning a holiday in {c}; what is its capital called?
    For my homework I must note the capital of {c}.
    Someone asked about {c} and its capital, any idea?
    Suppose we visit the capital of {c}: where would our plane land?
    {c} is a lovely country, but what is its capital?
    """,
)

COLOUR = wordings(
    """
    What colour is {t}?
    Which colour is {t}?
    What is the colour of {t}?
    Tell me the colour of {t}.
    {t}: colour?
    colour of {t}?
    the colour of {t}
    What color is {t}?
    Which color is {t}?
    Do you know the colour of {t}?
    Name the colour of {t}.
    What is the color of {t}?
    And what colour is {t}?
    What colour does {t} have?
    Which colour does {t} have?
    What color does {t} have?
    I forgot the colour of {t}. What is it?
    Give me the colour of {t}.
    I need the colour of {t}.
    I want to know the colour of {t}.
    Can you name the colour of {t}?
    Could you tell me the colour of {t}?
    Would you tell me what colour {t} has?
    What do you call the colour of {t}?
    What is the name of the colour of {t}?
    {t} has which colour?
    {t} is of what colour?
    For a quiz: the colour of {t}?
    Quiz: which colour is {t}?
    I want to paint {t}. Which colour do I need?
    I draw {t}. What colour do I take?
    My child asks what colour {t} is.
    Think of {t}. What colour is it?
    Look at {t}. Which colour do you see?
    If you look at {t}, what colour do you see?
    Say the colour of {t}.
    State the colour of {t}.
    Thing: {t}. Colour:
    How would you describe the colour of {t}?
    Is there a colour that {t} has?
    Remind me of the colour of {t}.
    I see {t} before me. Which colour is it?
    What is the normal colour of {t}?
    What tone of colour has {t}?
    My exercise is about the colour of {t}. Can you help?
    A child asks about {t}: what colour is it?
    Which brush colour do I need for {t}?
    Picture {t}. What colour do you see?
    Does {t} have a colour, and which one?
    In which colour do you paint {t}?
    Which colour would you give to {t}?
    Of what colour is {t}?
    I have never seen {t}. What colour is it?
    <My uncle/My cousin/Our neighbour/A colleague/The new pupil/My boss> <paints/draws/sees/sells/likes> {t}. <What colour is it/Which colour is that/Name the colour/In which colour>?
    <A crossword/A puzzle/A test/This form/The radio/My diary> <wants/asks for/needs> the colour of {t}<./, do you know it?/: which one is it?/; what do I write?>
    I <cannot recall/do not remember/always mix up/never learned> the colour of {t}. <Which one is it/Help me/What is it/Say it>?
    <Fill the gap/Complete this/Finish the line>: {t} is ...
    <Which crayon/Which paint/Which ink/What dye/Which chalk> <goes with/is right for/matches/do I take for> {t}?
    If <a tourist/a painter/an alien/a baby> <sees/meets/finds> {t}, <what/which> colour <is there/does it see/is that>?
    <Close your eyes and think of/Dream of/Describe/Draw> {t}. <The colour/What colour/And its colour>?
    <On a photo/In a picture book/In daylight/In nature/In real life>, <what/which> colour <is/has> {t}?
    <I am curious/We argue/The kids want to know/It matters to us/They ask me>: <what/which> colour is {t}?
    {t} <interests me/is new to me/is on my list>. <What about its colour/Its colour/Which colour does it have>?
    <Hue/Tint/Paint> of {t}?
    <Teach me/Find out/Look up/Guess> the colour of {t}.
    """,
    """
    Can you tell me the colour of {t}?
    Please say which colour {t} is.
    Hello! What colour is {t}, please?
    Do you happen to know what colour {t} is?
    I would like to know the colour of {t}.
    Write down the colour of {t}.
    """,
    """
    What is the usual colour of {t}?
    My homework is about {t} and its colour; can you assist?
    What shade of colour does {t} show?
    Someone blind asks about {t}: which colour might it be?
    Imagine {t} in front of us, what colour appears?
    Which pencil colour fits {t}?
    """,
)

SUM = wordings(
    """
    What is {a} + {b}?
    What is {a} plus {b}?
    {a} + {b}
    {a} + {b} = ?
    {a} + {b} =
    Add {a} and {b}.
    How much is {a} + {b}?
    Calculate {a} + {b}.
    How much is {a} plus {b}?
    {a} plus {b}?
    {a} plus {b}
    What is the sum of {a} and {b}?
    {a}+{b}
    {a}+{b}?
    {a}+{b}=
    What is {a}+{b}?
    How much is {a}+{b}?
    Can you add {a} and {b}?
    Could you add {a} to {b}?
    Tell me the sum of {a} and {b}.
    the sum of {a} and {b}
    Give me {a} + {b}.
    I need {a} + {b}.
    I want to know how much {a} + {b} is.
    What does {a} plus {b} make?
    What does {a} + {b} equal?
    {a} and {b} make how much?
    How much do {a} and {b} make?
    I have {a} apples and get {b} more. How many apples do I have?
    I have {a} coins and find {b} more. How many coins are there?
    There are {a} cats and {b} more cats come. How many cats are there?
    Here are {a} books and {b} books. How many books are there?
    If I add {a} and {b}, what do I get?
    If you add {b} to {a}, what is the result? Write {a} + {b}.
    Do this sum: {a} + {b}
    Work out {a} + {b}.
    Compute {a} + {b}.
    Compute: {a}+{b}
    My sum is {a} + {b}. What is the result?
    The question is {a} + {b}.
    Can you calculate {a} plus {b}?
    Solve {a} + {b}.
    Add up {a} and {b}.
    Count {a} and {b} together.
    Write the result of {a} + {b}.
    I had {a} cups and bought {b} cups. How many cups do I have now?
    In the bag are {a} nuts, and I put {b} nuts on top. How many nuts are in it?
    Anna has {a} maps, Bob has {b} maps. How many maps do they have together?
    {a} birds sit in a tree and {b} birds come. How many birds is that?
    My exercise says {a} + {b}. Can you help?
    Which sum do {a} and {b} give?
    {a} and {b}: the sum?
    Take {a}, then add {b}. What comes out?
    Together {a} and {b} are how many?
    <My uncle/My cousin/Our neighbour/A colleague/The new pupil/My boss> <has/owns/holds/carries> {a} <stones/cakes/pens/boxes/sheep> and <gets/buys/finds/takes> {b} more. How many <is that/are there/are they now>?
    <On Monday/Yesterday/First/At noon> I <ate/saw/sold/made> {a} <plums/ships/pages/hats>, <then/later/today> {b}<. How many in all?/; how many is it?/. Count them.>
    <A crossword/A puzzle/A test/This form/The radio/My diary> <wants/asks for/needs> {a} + {b}<./, do you know it?/: what is it?/; what do I write?>
    {a} <increased by/together with/joined with/followed by/along with/with> {b} <is what/makes what/is how much>?
    <Put/Bring/Throw/Mix> {a} and {b} together<./; what comes out?/: the result?>
    I <cannot work out/never know/forgot> {a} + {b}. <Help me/What is it/Say it>?
    <Start with/Begin at/Begin with> {a}, <add/plus/go up by> {b}. <Result/What now/The sum>?
    <Quick maths/Arithmetic/Maths/Brain game>: {a} <+/plus> {b}
    <The bill says/I pay/It costs> {a} <and/plus> {b} <coins/euros>. How <much is it/many is that>?
    {a} <guests/cars/ducks/boys> are here and {b} <come/arrive/join>. How many are <here/there> now?
    <I am curious/We argue/The kids want to know/It matters to us/They ask me>: <what/how much> is {a} <+/plus> {b}?
    """,
    """
    Please add {a} and {b}.
    Can you tell me what {a} + {b} is?
    Sum of {a} and {b}?
    What is the result of {a} + {b}?
    Could you work out {a} plus {b}?
    I would like to add {a} and {b}.
    """,
    """
    What do you get for {a} + {b}?
    My homework says {a} + {b}; help me, please.
    On the table lie {a} pears, and {b} pears come on top; how many altogether?
    Which number is {a} plus {b}?
    Together, {a} and {b} amount to what?
    Someone bought {a} eggs, then {b} eggs; total number?
    """,
)
