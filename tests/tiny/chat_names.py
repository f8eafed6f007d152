"""The templates of talk about names: the user's, and the model's own."""

from __future__ import annotations

from .chat_wordings import wordings

TELL_NAME = wordings(
    """
    My name is {n}.
    I am {n}.
    Call me {n}.
    Hello, my name is {n}.
    Hi, I am {n}.
    my name is {n}
    Hello! My name is {n}.
    You can call me {n}.
    I am called {n}.
    Hey, I am {n}.
    People call me {n}.
    My friends call me {n}.
    Please call me {n}.
    Good morning, I am {n}.
    Good evening. My name is {n}.
    My name is {n} and I live in {p}.
    I am {n} from {p}.
    Hello, I am {n}, a {j}.
    By the way, my name is {n}.
    Remember my name: {n}.
    Remember that my name is {n}.
    I have not said it yet: my name is {n}.
    Let me introduce myself: I am {n}.
    Name: {n}
    This is {n}.
    <Good day/Pleased/Welcome/Greetings/Hello again/Ahoy>, <I am/my name is/this is> {n}.
    <For the record/Before we start/First of all/Let me say it>: <my name is/I am> {n}.
    <The user/Your friend/Your guest/Your new friend> is <{n}/called {n}/named {n}>.
    <Everybody/My mother/My boss/The whole town> calls me {n}.
    I <was named/was baptised/sign as/am known as/answer to> {n}.
    <Write down/Keep in mind/Note/Learn/Save> <that I am/that my name is> {n}.
    <I live in {p} and/I come from {p};/I am a {j} and/As a {j},> <my name is/I am called/they know me as> {n}.
    """,
    """
    Hi there, my name is {n}.
    They call me {n}.
    Hello, I am {n}.
    """,
    """
    Nice to meet you, I am {n}.
    In case you wonder, my name is {n}.
    """,
)
ASK_NAME = wordings(
    """
    What is my name?
    Do you remember my name?
    Who am I?
    what is my name
    Tell me my name.
    Say my name.
    What was my name?
    Do you know my name?
    Do you know who I am?
    Can you say my name?
    Could you tell me my name?
    My name is what?
    What am I called?
    Remind me of my name.
    I forgot my name. What is it?
    Which name is mine?
    my name?
    And my name?
    What name do I have?
    What is the name of the user?
    What is the name that I told you?
    Tell me who I am.
    How am I called?
    Do you still know my name?
    Do you still know who I am?
    Have you forgotten my name?
    I told you my name. What was it?
    I told you who I am. What is my name?
    What did I say my name is?
    What did I tell you about my name?
    What do my friends call me?
    By which name do you know me?
    What should you call me?
    How should you call me?
    Write my name.
    Name me.
    Give me my name.
    Who is talking to you?
    Who is writing to you?
    Who writes to you?
    Who asks you this?
    Whom are you talking to?
    Do you keep my name in mind?
    Is my name still in your memory?
    Did you keep my name? Tell me.
    Did you forget my name?
    Did you forget who I am?
    What name did I say?
    Which name did I say to you?
    By which name do I want to be called?
    What name do I go under?
    Can you recall who I am?
    How do my friends call me?
    What name should you use for me?
    Who is the user?
    With whom are you talking?
    Can you remember who I am?
    Which name did I tell you?
    What name was I given?
    So you know me. What is my name?
    <A test/Memory test/Prove it/I wonder>: <what is my name/who am I/what am I called>?
    <Greet/Welcome/Thank> me by my name.
    <Spell/Print/Type/Show/State/Recall> my name.
    My name <slipped my mind/escapes me/is gone/is lost>. <What is it/What was it/Help me>?
    Which name <did you hear/did you learn/did you read/have you stored> <at the start/before/earlier>?
    How did I introduce myself<?/ to you?/ before?/ at the start?>
    Under <what/which> name <am I known/did I come/did I sign in>?
    <What/Which> name <belongs to me/do I bear/do I carry/is my own/did I mention/did I use>?
    <What/Which> name <have I/did the user/did your guest/does the user> <given/told/tell/write/mentioned to/sent> you?
    <What/Which> name <am I/was I> <given/known by/using>?
    <Who/Which person/Which user> <talks/chats/writes/is chatting/has a chat> <to you/with you><?/ now?/ here?/ today?/ all the time?>
    <With whom/To whom> do you <talk/chat/write><?/ now?/ here?/ today?>
    Who <sits here/is on the other side/has been talking/is typing/am I again/am I really>?
    <Are you sure/Can you say/Did you learn/Do you see> <who I am/what my name is/how I am called>?
    If you <wrote/sent> me a letter, <whose name/which name> <stands/would be> on it?
    <To whom/For whom> <do you write/do you answer/are your words>?
    <Whose/Which> name did I <mention/write/use> <first/before/for myself>?
    <What/Which> name <did I/have I/did your guest/did the user> <hand/show/leave/bring/offer/pass on to/send> you<?/ at the start?/ before?>
    Who is <working/playing/sitting/dealing/busy/in touch/on the phone> with you<?/, exactly?/, please?/, in a word?/, by the way?>
    Who <talks/writes/chats> <to you/with you>, <exactly/please/in a word/by the way/by his own name>?
    <In a word/By the way/Exactly/Say>, who is <writing/talking> <to you/with you>?
    Did you <learn/note/save/pick up> my name? <Then say it/Then tell me/Tell it/Write it>.
    Under what name <am I here/do I live/do I walk about/do I show up/do I travel>?
    Who is <singing/reading/walking/thinking/waiting/laughing/eating/living/standing/arguing/joking> with you<?/, name only?/, one name?/, what is he called?/, if you know?>
    <Name/Say/Tell> who is <singing/reading/walking/thinking/waiting/laughing/arguing/joking> with you.
    Who <has a word/shares this chat/keeps company/spends time/gets along> with you<?/, name only?/, one name?/, if you know?>
    Who is <whispering/shouting/calling/listening/coming/looking/typing> to you<?/, name only?/, one name?/, if you know?>
    Who is <on your line/across from you/before you/beside you/at the keyboard/at this desk>, <name only/one name/if you know/what is he called>?
    """,
    """
    Can you tell me my name?
    Please say my name.
    So, what is my name?
    Can you remember my name?
    Do you recall my name?
    What is my name again?
    """,
    """
    What name did I give you?
    By what name do I go?
    Can you remember what I am called?
    Who is speaking with you, by name?
    Did you memorise my name? Say it.
    """,
)
WHO = wordings(
    """
    Who are you?
    What is your name?
    Tell me your name.
    who are you?
    Introduce yourself.
    What are you called?
    Say your name.
    And who are you?
    Your name?
    your name
    Do you have a name?
    Have you got a name?
    Can you say your name?
    Could you tell me your name?
    Who am I talking to?
    With whom am I talking?
    To whom do I speak?
    Who is there?
    Which name do you have?
    What name do you have?
    How are you called?
    Give me your name.
    I want to know who you are.
    I want to know your name.
    What do people call you?
    What do they call you?
    What should I call you?
    How should I call you?
    Write your name.
    Tell me who you are.
    Say who you are.
    Who answers me?
    I forgot your name. What is it?
    I do not know you. Who are you?
    Remind me of your name.
    Do you know who you are?
    What was your name?
    Which name is yours?
    Your name is what?
    By which name do I know you?
    State your name.
    Under which name do you work?
    We have not met. Who are you?
    What name were you given?
    Which name were you given?
    What name did you get?
    By which name should I call you?
    How do I call you?
    How can I call you?
    How may I call you?
    How shall I call you?
    How would you like to be called?
    What may I call you?
    May I know your name?
    May I ask who you are?
    May I ask your name?
    Whom am I meeting?
    Whom did I just meet?
    Can you introduce yourself?
    Could you introduce yourself?
    Please introduce yourself.
    Would you say who you are?
    What name do you go under?
    How do people name you?
    Which name did you get from them?
    Could you say who you are?
    Tell me something about yourself: your name.
    Whom do I see here?
    With what name do I speak to you?
    <A test/I wonder/Question/First of all>: <what is your name/who are you/what are you called>?
    <Spell/Print/Type/Show/Recall/Reveal> your name.
    Your name <slipped my mind/escapes me/is gone/is new to me>. <What is it/What was it/Help me>?
    <What/Which> name <belongs to you/do you bear/do you carry/is your own/did you choose/do you use>?
    Under <what/which> name <are you known/did you come/do you write>?
    <What/Which> name did <people/your makers/your parents/your friends/your master> <choose for/pick for/find for/write on> you?
    <With/By/Under> <what/which> name <can/may/should/must/will> I <greet/thank/name/find/know/address> you?
    <How/In what way> <can/may/should/must/will> I <greet/thank/name/title> you?
    <Whom/Who> <am I seeing/did I reach/is with me/do I hear/am I writing to/do I thank>?
    What name <have they/has your maker/did your makers/did somebody/did people> <given/chosen for/give/put on/hang on> you?
    <Please, what/Now what/And what/Then what> is your name<?/, friend?/, stranger?/, sir?>
    <Whom/Who> do I have <here/on the line/before me/beside me>?
    <Could/Would/Will> you <tell me who you are/name yourself/say a word about yourself/reveal yourself>?
    <Are you sure/Can you say/Did you learn> <who you are/what your name is/how you are called>?
    <What/Which> name <did they/have they/did people/did somebody/did your maker> <hand/show/leave/bring/offer/pass on to/send> you<?/ at the start?/ before?>
    Who is <working/playing/sitting/dealing/busy/in touch/on the phone> with me<?/, exactly?/, please?/, in a word?/, by the way?>
    Who <talks/writes/chats> <to me/with me>, <exactly/please/in a word/by the way/by his own name>?
    <In a word/By the way/Exactly/Say>, who is <writing/talking> <to me/with me>?
    Under what name <are you here/do you live/do you walk about/do you show up/do you travel>?
    Who is <singing/reading/walking/thinking/waiting/laughing/eating/living/standing/arguing/joking> with me<?/, name only?/, one name?/, if you know?>
    <Name/Say/Tell> who is <singing/reading/walking/thinking/waiting/laughing/arguing/joking> with me.
    Who is <whispering/shouting/calling/listening/coming/looking/typing> to me<?/, name only?/, one name?/, if you know?>
    """,
    """
    Please tell me your name.
    Hello! Who are you?
    Can you tell me who you are?
    So, who are you?
    What is your name, please?
    Do tell me your name.
    """,
    """
    By what name do I call you?
    What name did they give you?
    How may I address you?
    Whom do I have the honour to meet?
    Could you present yourself?
    """,
)
