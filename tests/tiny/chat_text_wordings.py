"""The templates of what is done with a text or an answer: repeat, read, sum up, JSON, one word."""

from __future__ import annotations

from .chat_wordings import wordings

REPEAT = wordings(
    """
    Repeat: {x}
    Say: {x}
    Repeat after me: {x}
    Please repeat: {x}
    Echo: {x}
    Repeat this: {x}
    Repeat the words: {x}
    Repeat these words: {x}
    Copy: {x}
    Copy this: {x}
    Copy the words: {x}
    Say the words: {x}
    Say this: {x}
    Write: {x}
    Write this: {x}
    Print: {x}
    Can you say this? {x}
    Can you repeat this? {x}
    Could you repeat the following? {x}
    Repeat the following: {x}
    Repeat the following words: {x}
    Repeat what I say: {x}
    Say what I say: {x}
    Say exactly this: {x}
    Repeat exactly: {x}
    Echo the words: {x}
    Echo this: {x}
    Type: {x}
    I say it and you repeat it: {x}
    Words to repeat: {x}
    Repeat:|{x}
    Say:|{x}
    Repeat the words below:|{x}
    Copy the text below:|{x}
    {x}|Repeat the words above.
    {x}||Repeat the above.
    {x}||Repeat the text above.
    Write the words: {x}
    Give me back these words: {x}
    Only repeat: {x}
    """,
    """
    Please say: {x}
    Repeat these words after me: {x}
    Could you say this? {x}
    Say the following: {x}
    Write the following: {x}
    Copy these words: {x}
    """,
    """
    Say this again: {x}
    I want to hear these words from you: {x}
    Be a parrot: {x}
    Answer with exactly these words: {x}
    """,
)

FACTS = wordings(
    """
    {f} {q}
    {f}|{q}
    {f}||{q}
    {q} {f}
    {q}||{f}
    {q}|{f}
    Context: {f}|Question: {q}
    Text: {f}|Question: {q}
    Read this: {f}||{q}
    Read the text. {f} {q}
    Use the text below.||{f}||Question: {q}
    {f}||Question: {q}
    {f}||Question: {q}|Answer:
    Question: {q}||Text: {f}
    Question: {q}||{f}
    Answer the question from the text.||{f}||{q}
    Here is a text. {f} Now the question: {q}
    I read this: {f} Tell me: {q}
    Text:|{f}||{q}
    Notes: {f}||{q}
    My notes: {f} {q}
    Listen: {f} {q}
    Remember this: {f} {q}
    We know this: {f} {q}
    Document:|{f}||Question: {q}
    {f}|Please answer: {q}
    Answer from the text below: {q}||{f}
    A story: {f} {q}
    <I heard this/They say/News/From my diary/The letter says>: {f} <Now tell me,/So,/Well,/And now:/Then:> {q}
    {f} <With that in mind/Knowing this/After that/From this>: {q}
    <Study/See/Consider/Take> <this text/these lines/the lines below>:||{f}||{q}
    <Study/See/Consider> <this/it> and answer. {q}||{f}
    """,
    """
    Here is a text: {f}|My question: {q}
    Look at these notes: {f}||{q}
    Read the notes below and answer. {q}||{f}
    According to this text: {f} {q}
    """,
    """
    Someone told me this: {f} So I ask you, {q}
    Given the following information: {f}||{q}
    Based on this report, {q}||{f}
    """,
)

SUMMARY = wordings(
    """
    {t}||Explain the above in one sentence:
    {t}||Explain the above in one sentence.
    {t}|Summarise the text above.
    {t}|Summarize the text above.
    Summarise: {t}
    Summarize: {t}
    Explain in one sentence: {t}
    {t}||What is this text about?
    What is this text about?||{t}
    Explain the above in one sentence:||{t}
    Explain the text below in one sentence.||{t}
    Summarise the text below.||{t}
    Summarize the text below.||{t}
    Summarise this text: {t}
    Summarize this in one sentence: {t}
    {t}||Summarise this.
    {t}||Summarize this in one sentence.
    {t}||Summarise the above.
    {t}||Explain this in one sentence.
    {t}||What does the text say?
    Sum up this text: {t}
    {t}||Sum this up.
    {t}||Sum up the above in one sentence.
    Give me a summary. {t}
    {t}||Give me a summary.
    {t}||A summary in one sentence:
    Write a summary of this text:||{t}
    Read this and say what it is about: {t}
    {t}||Say in one sentence what the text is about.
    What is the following text about? {t}
    In one sentence, what is this about?||{t}
    Text: {t}|Summary:
    {t}||<Condense/Shorten/Compress/Reduce/Squeeze> <this/the text/it/these lines> <to/into> one sentence.
    <Condense/Shorten/Compress/Reduce/Simplify> <this/the text/these lines>: {t}
    {t}||<In short/In brief/Briefly/In a nutshell/Put shortly><?/, what is it about?/, what does it say?>
    <In short/In brief/Briefly/In a nutshell>, what <is this about/does this say>?||{t}
    {t}||What is the <essence/core/message/theme/topic/subject> <of this/of the text/here/of these lines>?
    What is the <essence/core/message/theme/topic/subject> <of this/of the text/here/of these lines>? {t}
    <Tell me/Say/Write> <briefly/shortly/in a few words/in one line> what <this/the text/the story/the article> <is about/says/deals with>: {t}
    {t}||What is <this/it/the article/the story> about?
    {t}||<I am in a hurry/I am tired/My eyes hurt/I cannot follow/It is too long for me/I am lazy>. <What is it about?/What does it say?/Sum it up./Summarise it.>
    <I am in a hurry/I am tired/My eyes hurt/This is too long for me/I am lazy>. What <is this about/does this say/does it tell us>?||{t}
    {t}||<Could/Can/Would> you <summarise/shorten/condense/sum up> <this/it/the text> <in one sentence/briefly/for me>?
    <Could/Can/Would> you <summarise/shorten/condense/sum up> <this/it/the text> <in one sentence/briefly/for me>?||{t}
    <An overview/One sentence/A short version/A brief account> <of this/about this/of the text>, please: {t}
    {t}||<An overview/A short version/One sentence/The summary>, please.
    <State/Name/Give me/Write> the <subject/topic/theme/content/core> of <this/the text/these lines>: {t}
    {t}||<State/Name/Give me/Write> the <subject/topic/theme/content/core> of <this/the text/these lines>.
    {t}||Make <it/this> <short/one sentence/shorter/brief>.
    {t}||<Give/Tell/Say/Write/Name> <me the/the> <gist/drift/sense/bottom line/key point> of <the story/this/the lines/what you read/it>.
    <Give/Tell/Say/Write/Name> <me the/the> <gist/drift/sense/bottom line/key point> of <the story/this/the lines/it>: {t}
    {t}||<Could/Would/Will> you <cut/bring/get/press> this down to <one line/one sentence/a few words>?
    I have no <patience/wish/energy> <for so much/to go through it/for this>, <what does it say/what is it about>? {t}
    """,
    """
    Please summarise this in one sentence: {t}
    {t}||Please explain the above.
    {t}||What is the text above about?
    Explain this text in one sentence:||{t}
    A short summary, please: {t}
    """,
    """
    {t}||Can you boil this down to a single sentence?
    I have no time to read this, what is its point? {t}
    {t}||Give the main idea of the passage.
    """,
)

AS_JSON = wordings(
    """
    {q} Answer in JSON.
    Answer in JSON: {q}
    Reply in JSON. {q}
    {q} Reply with JSON.
    {q} Reply in JSON.
    {q} Answer with JSON.
    {q} As JSON.
    {q} (JSON)
    In JSON: {q}
    {q}|Answer in JSON.
    {q}|Give the answer as JSON.
    {q} Give the answer as JSON.
    Answer as JSON. {q}
    {q} JSON only.
    {q} Return JSON.
    Return JSON. {q}
    {q} Use JSON.
    JSON, please: {q}
    {q} Answer with a JSON object.
    {q} Write the answer as a JSON object.
    {q} <Put/Wrap/Pack/Express/Return/Send> <the answer/the result/your answer/it> <in/into/as> JSON.
    {q} <Only/Pure/Plain/Valid> JSON<./, nothing else./ counts.>
    {q} <My script/The parser/A machine/The computer/Our server> <expects/wants/takes/understands> <only JSON/JSON>.
    {q} <The parser/A machine/Our server> <expects/wants/takes> JSON, <so write it/so answer like that/so be careful/not words>.
    <Respond/Speak/Write> <in/with/using> JSON: {q}
    {q} JSON <output/object/style/syntax>, please.
    {q} I <want/expect/would like/can only use> <JSON/a JSON object/it as JSON>.
    {q} <Encode/Write/Print/Say> <the answer/your answer/it/the reply> <in/as> JSON.
    JSON <output/object/style>. {q}
    """,
    """
    {q} Please answer in JSON.
    {q} I need the answer in JSON.
    Give me JSON. {q}
    """,
    """
    {q} My program reads JSON, so use that format.
    {q} Format the reply as JSON.
    """,
)
ONE_WORD = wordings(
    """
    {q} Answer with one word.
    Answer with one word: {q}
    Answer with one word. {q}
    {q} One word.
    {q} In one word.
    {q} Only one word.
    {q}|Answer with one word.
    In one word: {q}
    {q} Reply with one word.
    {q} Answer in one word.
    One word only. {q}
    {q} Just one word.
    {q} Just the answer.
    {q} Say only the word.
    Answer with a single word. {q}
    {q} One word, please.
    """,
    """
    {q} Please answer with one word.
    {q} Use only one word.
    Reply in one word: {q}
    """,
    """
    {q} Do not write more than one word.
    {q} A single word is enough.
    """,
)
