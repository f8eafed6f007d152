"""Small tables behind the tasks of the shipped prompts: commands, expressions, errors, words."""

from __future__ import annotations

import re

from .chat_world import listed, paired


def _table(text: str) -> list[tuple[list[str], str]]:
    """Rows of `said / said otherwise -> answer`; an arrow may begin a line of its own."""
    whole = re.sub(r"\n +-> ", " -> ", text.strip())
    rows = [line.strip().split(" -> ") for line in whole.splitlines()]
    return [(said.split(" / "), answer) for said, answer in rows]


SHELL = _table(
    """
    list the files / list files / show the files / show me the files here / what files are here
      -> ls
    list all files, also hidden ones / show hidden files / list hidden files -> ls -a
    list the files with their sizes / list files with details / show file sizes -> ls -lh
    list the files by time / show the newest files first / sort the files by date -> ls -lt
    show the current folder / where am I / print the working directory -> pwd
    show free disk space / how much disk space is free / disk space -> df -h
    show the size of this folder / how big is this folder / folder size -> du -sh .
    show free memory / how much memory is free / memory -> free -h
    show the date / what day is it / print the date and time -> date
    who am I logged in as / show my user name / print the user name -> whoami
    show running processes / list the processes / what is running -> ps aux
    show how long the computer has been up / uptime / since when is the computer on -> uptime
    make a folder called {x} / create the folder {x} / create a directory {x} -> mkdir {x}
    go to the folder {x} / change to {x} / enter the folder {x} -> cd {x}
    show the file {x} / print the file {x} / print {x} -> cat {x}
    show the first lines of {x} / print the beginning of {x} / the first lines of {x} -> head {x}
    show the last lines of {x} / print the end of {x} / the last lines of {x} -> tail {x}
    follow the log {x} / watch the end of {x} / watch {x} grow -> tail -f {x}
    count the lines of {x} / how many lines does {x} have / count lines in {x} -> wc -l {x}
    count the words of {x} / how many words does {x} have / count words in {x} -> wc -w {x}
    sort the lines of {x} / sort {x} / sort the file {x} -> sort {x}
    sort {x} without repeated lines / the different lines of {x} / sort {x} and drop doubles
      -> sort -u {x}
    copy {x} to {y} / make a copy of {x} called {y} / copy the file {x} to {y} -> cp {x} {y}
    rename {x} to {y} / move {x} to {y} / give {x} the new name {y} -> mv {x} {y}
    compare {x} and {y} / show the difference between {x} and {y} / diff {x} with {y}
      -> diff {x} {y}
    find the word {w} in {x} / search {x} for {w} / show lines of {x} with {w} -> grep {w} {x}
    count the lines of {x} with {w} / how many lines of {x} have {w} -> grep -c {w} {x}
    find the word {w} in all files / search all files for {w} / which files contain {w}
      -> grep -r {w} .
    find all files called {x} / where is the file {x} / search for a file named {x}
      -> find . -name {x}
    delete the file {x} / remove the file {x} / remove {x} -> rm {x}
    make {x} executable / let me run {x} / allow {x} to be run -> chmod +x {x}
    make an empty file {x} / create the file {x} / create an empty file called {x} -> touch {x}
    show the type of {x} / what kind of file is {x} / what type is {x} -> file {x}
    download {x} / fetch {x} / get {x} from the web -> curl -O {x}
    pack the folder {x} / make an archive of {x} / put {x} into a tar file -> tar czf {x}.tar.gz {x}
    """
)
REGEX = _table(
    """
    one or more digits / a number / digits / at least one digit / digits only -> [0-9]+
    one digit / a single digit / a digit -> [0-9]
    one letter / a single letter / a letter -> [A-Za-z]
    one or more letters / letters / a word of letters / letters only -> [A-Za-z]+
    one or more lower-case letters / lower-case letters / a lower-case word -> [a-z]+
    one or more upper-case letters / capital letters / upper-case letters -> [A-Z]+
    letters and digits / one or more letters or digits / letters or digits -> [A-Za-z0-9]+
    a date such as 2024-01-31 / a date with hyphens / a date / an ISO date
      -> [0-9]{4}-[0-9]{2}-[0-9]{2}
    a time such as 12:30 / a time of day / a time / hours and minutes -> [0-9]{2}:[0-9]{2}
    a year / a four-digit year / four digits -> [0-9]{4}
    five digits / a zip code / a postcode of five digits -> [0-9]{5}
    an e-mail address / an email address / a mail address -> [A-Za-z0-9._-]+@[A-Za-z0-9.-]+
    a colour such as #ff0000 / a hex colour / a colour code -> #[0-9a-f]{6}
    an empty line / a line with nothing in it / empty lines -> ^$
    spaces / one or more spaces / white space -> [ ]+
    yes or no / the word yes or the word no / either yes or no -> yes|no
    a web address / a link / a URL -> https?://[^ ]+
    a hexadecimal number / hex digits / one or more hex digits -> [0-9a-f]+
    a decimal number such as 3.14 / a number with a point / a decimal number -> [0-9]+\\.[0-9]+
    a vowel / one vowel / a single vowel -> [aeiou]
    the word {w} / {w} / exactly {w} -> {w}
    a line that begins with {w} / lines starting with {w} / {w} at the start of a line -> ^{w}
    a line that ends with {w} / lines ending with {w} / {w} at the end of a line -> {w}$
    the word {w} or the word {v} / {w} or {v} / either {w} or {v} -> {w}|{v}
    """
)
ERRORS = _table(
    """
    bash: cd: {p}: No such file or directory
      -> The folder {p} does not exist. Check the spelling or create it.
    ls: cannot access '{p}': No such file or directory / cat: {p}: No such file or directory
      -> The file {p} does not exist. Check the spelling.
    bash: {w}: command not found / {w}: command not found / zsh: command not found: {w}
      -> The command {w} is not installed. Check the spelling or install it.
    bash: {p}: Permission denied / cat: {p}: Permission denied / permission denied: {p}
      -> You may not use {p}. Check who owns it.
    rm: cannot remove '{p}': Is a directory / cat: {p}: Is a directory
      -> {p} is a folder, not a file.
    No space left on device / write error: No space left on device
      -> The disk is full. Delete files that you do not need.
    ModuleNotFoundError: No module named '{w}' / ImportError: No module named {w}
      -> The Python package {w} is missing. Install it with pip install {w}.
    NameError: name '{w}' is not defined
      -> The name {w} is used before it has a value. Check the spelling.
    ZeroDivisionError: division by zero / ZeroDivisionError: integer division or modulo by zero
      -> The program divides by zero. Check the divisor first.
    KeyError: '{w}' -> The dictionary has no key {w}. Check the spelling.
    IndexError: list index out of range
      -> The list is shorter than the index. Check its length first.
    TypeError: can only concatenate str (not "int") to str
      -> Text and a number are added. Turn the number into text with str().
    SyntaxError: invalid syntax
      -> Python cannot read this line. Look for a missing bracket or colon.
    IndentationError: unexpected indent -> The line is indented too far. Remove the extra spaces.
    ConnectionRefusedError: [Errno 111] Connection refused / connect: connection refused
      -> Nothing listens at that address. Start the server or check the port.
    fatal: not a git repository (or any of the parent directories): .git
      -> This folder is not a git repository. Go to one or run git init.
    Segmentation fault (core dumped) / Segmentation fault
      -> The program read memory that it does not own. This is a fault in the program.
    Out of memory: Killed process / MemoryError
      -> There is not enough memory. Close programs or use a smaller input.
    """
)
REVIEWS = _table(
    """
    {v} = {w} / 0 -> division by zero
    {v} = {n} / 0 -> division by zero
    if {v} = {n}: -> one equals sign assigns, two compare
    while True: pass -> the loop never ends
    while True: {v} = {n} -> the loop never ends
    return {v}; {w} = {n} -> the code after return is never run
    except: pass -> every error is hidden
    password = "{w}" -> a password is written in the code
    {v} = open("{w}.txt").read() -> the file is never closed
    eval(input()) -> eval runs whatever the user types
    os.system("rm " + {v}) -> the shell runs whatever is in {v}
    cursor.execute("select * from {w} where id = " + {v}) -> the query can be changed through {v}
    def {w}({v}=[]): -> the default list is shared between calls
    if {v} == None: -> compare with None by is
    for i in range(len({v}) + 1): print({v}[i]) -> the last index is out of range
    {v} = {v} -> the line does nothing
    assert ({v}, "{w}") -> the tuple is always true
    print({v} -> a bracket is missing
    """
)
GOOD_CODE = listed("{v} = {n}|print({v})|{v} = {w} + {n}|return {v}|{v} = len({w})|{v}.append({n})")

GERMAN_NOUNS = paired(
    "dog=der Hund|cat=die Katze|house=das Haus|book=das Buch|tree=der Baum|sun=die Sonne|"
    "moon=der Mond|wolf=der Wolf|bear=der Bär|fox=der Fuchs|horse=das Pferd|mouse=die Maus|"
    "bird=der Vogel|fish=der Fisch|apple=der Apfel|bread=das Brot|water=das Wasser|milk=die Milch|"
    "car=das Auto|table=der Tisch|door=die Tür|window=das Fenster|letter=der Brief|"
    "key=der Schlüssel|lamp=die Lampe|ring=der Ring|hat=der Hut|garden=der Garten|"
    "sea=das Meer|sky=der Himmel"
)
GERMAN_ADJECTIVES = paired(
    "red=rot|green=grün|blue=blau|yellow=gelb|black=schwarz|white=weiß|brown=braun|grey=grau|"
    "big=groß|small=klein|old=alt|new=neu|good=gut|cold=kalt|warm=warm"
)
GERMAN_SAYINGS = paired(
    "Good morning.=Guten Morgen.|Good evening.=Guten Abend.|Good night.=Gute Nacht.|"
    "Thank you.=Danke.|Hello!=Hallo!|Goodbye!=Auf Wiedersehen!|How are you?=Wie geht es dir?|"
    "My name is {n}.=Ich heiße {n}.|I live in {p}.=Ich wohne in {p}.|Where is {n}?=Wo ist {n}?|"
    "I am tired.=Ich bin müde.|I love you.=Ich liebe dich.|Yes.=Ja.|No.=Nein."
)
FRENCH_NOUNS = paired(
    "dog=le chien|cat=le chat|wolf=le loup|fox=le renard|book=le livre|bread=le pain|"
    "hat=le chapeau|garden=le jardin|horse=le cheval|fish=le poisson"
)
FRENCH_ADJECTIVES = paired(
    "red=rouge|green=vert|blue=bleu|yellow=jaune|black=noir|white=blanc|grey=gris|big=grand|"
    "small=petit|good=bon"
)
FRENCH_SAYINGS = paired(
    "Good morning.=Bonjour.|Good evening.=Bonsoir.|Good night.=Bonne nuit.|Thank you.=Merci.|"
    "Goodbye!=Au revoir !|How are you?=Comment vas-tu ?|My name is {n}.=Je m'appelle {n}.|"
    "I love you.=Je t'aime.|Yes.=Oui.|No.=Non."
)
PLAIN_PHRASES = paired(
    "would like to=want to|utilize=use|purchase=buy|prior to=before|subsequent to=after|"
    "commence=start|terminate=end|assist=help|in order to=to|a large number of=many|obtain=get|"
    "at this point in time=now|demonstrate=show|inquire about=ask about"
)
