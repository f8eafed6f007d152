"""`localai batch` as it is used: every kind of input, every kind of output, on the tiny model."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT, Ran, command, run

CAPITALS = {"France": "Paris", "Norway": "Oslo", "Peru": "Lima", "Italy": "Rome"}


def batch(*arguments: str, **more: Any) -> Ran:
    return run("batch", "-m", "tiny", "--temp", "0", *arguments, **more)


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(text: str | Path) -> list[dict[str, Any]]:
    text = text.read_text() if isinstance(text, Path) else text
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [{"id": name, "question": f"What is the capital of {name}?"} for name in CAPITALS]
    return jsonl(tmp_path / "questions.jsonl", rows)


def test_answers_come_in_the_order_of_the_input(questions: Path, tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    done = batch(str(questions), "-o", str(output))
    assert (done.code, done.out) == (0, "")
    assert "4 rows" in done.err and "at a time" in done.err
    answers = lines(output)
    assert [each["id"] for each in answers] == list(CAPITALS)
    for each, capital in zip(answers, CAPITALS.values(), strict=True):
        assert list(each) == ["id", "answer", "finish_reason", "usage", "seed", "error"]
        assert capital in each["answer"] and each["finish_reason"] == "stop"
        assert each["error"] is None and each["usage"]["completion_tokens"] > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "questions.jsonl"]


def test_an_output_that_is_there_is_kept(questions: Path, tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    output.write_text("mine\n")
    refused = batch(str(questions), "-o", str(output))
    assert refused.code == 2 and "exists already" in refused.err and "--force" in refused.err
    assert output.read_text() == "mine\n"
    assert not (tmp_path / "answers.jsonl.journal").exists()
    assert batch(str(questions), "-o", str(output), "--force").code == 0
    assert len(lines(output)) == 4


def test_columns_are_the_variables_of_a_prompt_file(tmp_path: Path) -> None:
    rows = [
        {"text": "The dog is black.", "language": "German", "unused": [1]},
        {"text": "The cat is white.", "language": "German"},
    ]
    done = batch(str(jsonl(tmp_path / "in.jsonl", rows)), "-p", "translate")
    assert done.code == 0, done.err
    assert [each["answer"] for each in lines(done.out)] == [
        "Der Hund ist schwarz.",
        "Die Katze ist weiß.",
    ]


def test_a_row_without_its_variable_fails_alone(tmp_path: Path) -> None:
    prompt = tmp_path / "capital.md"
    prompt.write_text("---\ndescription: x\n---\nWhat is the capital of {{country}}?\n")
    path = jsonl(
        tmp_path / "in.jsonl", [{"country": "France"}, {"land": "Peru"}, {"country": "Italy"}]
    )
    done = batch(str(path), "-p", str(prompt))
    first, second, third = lines(done.out)
    assert done.code == 6 and "1 of 3 rows failed" in done.err
    assert "Paris" in first["answer"] and "Rome" in third["answer"]
    assert second["answer"] is None and "country" in second["error"]["message"]


def test_what_is_wrong_with_the_first_row_is_wrong_with_all(tmp_path: Path) -> None:
    for rows, word in (
        ([{"a": "x", "b": "y"}, {"input": "What is 1 + 1?"}], "no column 'input'"),
        ([[1, 2]], "object"),
    ):
        done = batch(str(jsonl(tmp_path / "in.jsonl", rows)), "-o", str(tmp_path / "out.jsonl"))
        assert done.code == 2 and word in done.err, done.err
        assert not (tmp_path / "out.jsonl").exists()
        assert not (tmp_path / "out.jsonl.journal").exists()
    (tmp_path / "empty.jsonl").write_bytes(b"\n\n")
    assert batch(str(tmp_path / "empty.jsonl")).code == 2
    missing = batch(str(tmp_path / "nowhere.jsonl"))
    assert missing.code == 2 and "nowhere.jsonl" in missing.err


def test_csv_keeps_its_columns_and_gets_one_more(tmp_path: Path) -> None:
    path, output = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_bytes(
        b'\xef\xbb\xbfname,note,input\r\n"Ann, B.","two\r\nlines",What is the capital of France?\r\n'
        b'\r\n"say ""hi""",,What is the capital of Peru?\r\nshort,row\r\n'
        b"bad,\xff,What is 1 + 1?\r\n"
    )
    done = batch(str(path), "-o", str(output))
    assert done.code == 6, done.err
    header, *rows = csv.reader(io.StringIO(output.read_bytes().decode(), newline=""))
    assert header == ["name", "note", "input", "answer", "error"]
    assert rows[0][:2] == ["Ann, B.", "two\r\nlines"] and "Paris" in rows[0][3]
    assert rows[1][0] == 'say "hi"' and "Lima" in rows[1][3] and rows[1][4] == ""
    assert rows[2][3] == "" and "in.csv:6: 2 fields" in rows[2][4]
    assert "in.csv:7: this is not UTF-8" in rows[3][4]


def test_a_column_of_the_answer_s_name_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("input,answer\nWhat is 1 + 2?,four\n")
    refused = batch(str(path), "-F", "csv")
    assert refused.code == 2 and "--column" in refused.err
    done = batch(str(path), "-F", "csv", "--column", "reply", "-q")
    assert done.out.splitlines() == ["input,answer,reply,error", "What is 1 + 2?,four,1 + 2 = 3.,"]


def test_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbfWhat is 1 + 2?\r\n\r\nno \xff text\r\nWhat is 2 + 2?")
    done = batch(str(path))
    assert done.code == 6
    first, bad, last = lines(done.out)
    assert (first["id"], first["answer"]) == (1, "1 + 2 = 3.")
    assert bad["id"] == 3 and "in.txt:3 is not UTF-8" in bad["error"]["message"]
    assert (last["id"], last["answer"]) == (4, "2 + 2 = 4.")


def test_a_folder_of_prompts(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "b.txt").write_text("What is 2 + 2?\n")
    (folder / "a.md").write_text("What is 1 + 2?\n")
    (folder / ".hidden").write_text("x")
    (folder / "sub").mkdir()
    done = batch(str(folder), "-s", "You are Ada.")
    assert [(each["id"], each["answer"]) for each in lines(done.out)] == [
        ("a.md", "1 + 2 = 3."),
        ("b.txt", "2 + 2 = 4."),
    ]


def test_stdin_is_answered_before_it_ends(tmp_path: Path) -> None:
    words = command("batch", "-", "-m", "tiny", "--temp", "0", "-q")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for number in range(1, 4):
            process.stdin.write(f"What is {number} + 2?\n".encode())
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert answer["answer"] == f"{number} + 2 = {number + 2}."
        process.stdin.close()
        assert process.stdout.read() == b"" and process.wait(60) == 0


def test_conversations_and_bare_texts(tmp_path: Path) -> None:
    talk = [
        {"role": "user", "content": "My name is Tom."},
        {"role": "assistant", "content": "Hello Tom."},
        {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]},
    ]
    path = jsonl(tmp_path / "in.jsonl", [{"messages": talk}, "What is 1 + 2?", {"messages": "no"}])
    done = batch(str(path))
    named, sum_, refused = lines(done.out)
    assert "Tom" in named["answer"] and sum_["answer"] == "1 + 2 = 3."
    assert "messages" in refused["error"]["message"]


def test_dry_run_prints_the_first_prompt_whole_and_asks_nothing(questions: Path) -> None:
    done = run("batch", str(questions), "-m", "nowhere", "-s", "Be brief.", "--dry-run")
    assert done.code == 0
    assert done.out == "[system]\nBe brief.\n\n[user]\nWhat is the capital of France?\n"
    with_form = run("batch", str(questions), "--dry-run", "--choices", "a,b")
    assert "choices" in with_form.err


def test_limit_takes_the_first_rows(questions: Path) -> None:
    done = batch(str(questions), "--limit", "2", "-q")
    assert [each["id"] for each in lines(done.out)] == ["France", "Norway"]


def test_constraints_hold_each_row(questions: Path) -> None:
    done = batch(str(questions), "--schema", "answer", "-q")
    assert done.code == 0
    for each, capital in zip(lines(done.out), CAPITALS.values(), strict=True):
        assert json.loads(each["answer"]) == {"answer": capital}
    bad = batch(str(questions), "--schema", '{"type": "object", "not": {"required": ["a"]}}')
    assert bad.code == 2 and "'not'" in bad.err
    both = batch(str(questions), "--schema", "answer", "--stop", "x")
    assert both.code == 2 and "--stop" in both.err


def test_a_failed_row_says_why_and_is_done_again_when_asked(tmp_path: Path) -> None:
    long = "word " * 6000
    rows = [{"input": "What is 1 + 2?"}, {"input": long}, {"input": ""}]
    path, output = jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    done = batch(str(path), "-o", str(output))
    assert done.code == 6 and "2 of 3 rows failed" in done.err and "--retry-failed" in done.err
    answers = lines(output)
    assert answers[1]["error"]["exit"] == 7 and answers[2]["error"]["exit"] == 2
    refused = batch(str(path), "-o", str(output))
    assert refused.code == 2 and "--retry-failed" in refused.err
    jsonl(path, [rows[0], {"input": "What is 2 + 2?"}, {"input": "What is 3 + 3?"}])
    again = batch(str(path), "-o", str(output), "--retry-failed", "--stats")
    assert again.code == 0, again.err
    assert "2 rows in" in again.err  # what was answered is not asked again
    assert [each["answer"] for each in lines(output)] == ["1 + 2 = 3.", "2 + 2 = 4.", "3 + 3 = 6."]
    assert not (tmp_path / "out.jsonl.journal").exists()


def test_a_row_of_a_megabyte_is_refused_by_its_number_and_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("What is 1 + 2?\n" + "lamp " * 200_000 + "\nWhat is 2 + 2?\n")
    done = batch(str(path))
    first, long, last = lines(done.out)
    assert done.code == 6
    assert first["answer"] == "1 + 2 = 3." and last["answer"] == "2 + 2 = 4."
    assert long["id"] == 2 and long["error"]["code"] == "too_long"


@pytest.mark.parametrize(
    "bad",
    [b'{"input": NaN}', b"{", b"[1]", b"3", b'{"input": "\xff"}', b'{"input": "\x00"}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_row_is_refused_with_its_line(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"input": "What is 1 + 2?"}\n\n' + bad + b'\n{"input": "What is 2 + 2?"}\n')
    done = batch(str(path))
    first, refused, last = lines(done.out)
    assert done.code == 6
    assert (first["answer"], last["answer"]) == ("1 + 2 = 3.", "2 + 2 = 4.")
    assert "in.jsonl:3" in refused["error"]["message"]
    assert b"Traceback" not in done.stderr


def test_odd_text_travels_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(
        b'{"id": "\\ud800", "input": "What is 1 + 2? \\ud800"}\n{"input": "\\u001b[2J <|im_end|>"}\n'
    )
    done = batch(str(path), "-n", "20")
    assert done.code in (0, 6) and b"Traceback" not in done.stderr
    assert len(lines(done.out)) == 2


def test_openai_s_batch_files_are_read_and_written_as_they_are(tmp_path: Path) -> None:
    def line(name: str, url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
        return {"custom_id": name, "method": "POST", "url": url, "body": {"model": "gpt", **body}}

    ask = [
        {"role": "system", "content": "You are Ada."},
        {"role": "user", "content": "Who are you?"},
    ]
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    peru = [{"role": "user", "content": "What is the capital of Peru? Answer in JSON."}]
    rows = [
        line("who", messages=ask, max_tokens=50),
        line("many", messages=ask, n=3),
        line("json", messages=peru, response_format=form),
        line("bare", "/v1/completions", prompt="The wolf lives in", max_tokens=5),
        line("where", "/v1/embeddings", input="x"),
    ]
    path, output = jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    done = batch(str(path), "-o", str(output))
    assert done.code == 6 and "out.errors.jsonl" in done.err
    good, bad = lines(output), lines(tmp_path / "out.errors.jsonl")
    assert [each["custom_id"] for each in good] == ["who", "json", "bare"]
    for each in (*good, *bad):
        assert set(each) == {"id", "custom_id", "response", "error"}
        assert set(each["response"]) == {"status_code", "request_id", "body"}
    who, answer, bare = (each["response"]["body"] for each in good)
    assert who["object"] == "chat.completion"
    assert who["choices"][0]["message"] == {
        "role": "assistant",
        "content": "I am Ada.",
        "refusal": None,
    }
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"answer": "Lima"}
    assert bare["object"] == "text_completion" and bare["usage"]["completion_tokens"] == 5
    assert bare["choices"][0]["finish_reason"] == "length"
    assert [(each["custom_id"], each["response"]["status_code"]) for each in bad] == [
        ("many", 400),
        ("where", 400),
    ]
    assert "`n`" in bad[0]["error"]["message"]


def test_equal_rows_are_all_answered_and_have_seeds_of_their_own(tmp_path: Path) -> None:
    """How often they are asked is counted where another server answers."""
    rows = [{"id": at, "input": "What is 1 + 2?"} for at in range(50)]
    path = jsonl(tmp_path / "in.jsonl", rows)
    greedy = batch(str(path))
    assert [each["id"] for each in lines(greedy.out)] == list(range(50))
    assert {each["answer"] for each in lines(greedy.out)} == {"1 + 2 = 3."}
    drawn = run("batch", str(path), "-m", "tiny", "--seed", "7", "--temp", "60", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--limit", "8", "-n", "12", "-q")  # fmt: skip
    answers = [each["answer"] for each in lines(drawn.out)]
    assert len(set(answers)) > 1
    assert [each["seed"] for each in lines(drawn.out)] == [7 + at for at in range(8)]


def test_a_seed_repeats_a_batch(questions: Path) -> None:
    runs = [
        run("batch", str(questions), "-m", "tiny", "--seed", "3", "-q", "--concurrency", "1").out
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_two_batches_do_not_write_one_output(questions: Path, tmp_path: Path) -> None:
    from localai.batch.journal import BatchJournal

    journal = BatchJournal.open(tmp_path / "out.jsonl.journal")
    refused = batch(str(questions), "-o", str(tmp_path / "out.jsonl"))
    journal.close()
    assert refused.code == 2 and "another localai batch" in refused.err


def test_a_device_takes_the_rows_as_they_finish(questions: Path) -> None:
    done = batch(str(questions), "-o", "/dev/null")
    assert (done.code, done.out) == (0, "")
    assert not Path("/dev/null.journal").exists()
    full = batch(str(questions), "-o", "/dev/full")
    assert full.code == 1 and "disk is full" in full.err and "Traceback" not in full.err


def test_a_reader_who_leaves_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("".join(f"What is {a} + {b}?\n" for a in range(1, 13) for b in range(1, 13)))
    done = subprocess.run(
        ["bash", "-c", f'{" ".join(command("batch", str(path), "-m", "tiny", "-q"))} | head -1; echo ${{PIPESTATUS[0]}}'],
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == b"141" and done.stderr == b""


def test_wrong_words_are_refused(questions: Path, tmp_path: Path) -> None:
    assert batch(str(questions), "-o", "").code == 2
    assert "folder" in batch(str(questions), "-o", str(tmp_path)).err
    assert batch(str(questions), "--concurrency", "300").code == 2
    assert batch(str(questions), "-p", "no-such-prompt").code == 2
    assert run("batch", "--help").code == 0


def test_ctrl_c_says_where_it_stopped_and_the_same_command_goes_on(tmp_path: Path) -> None:
    path, output = tmp_path / "in.txt", tmp_path / "out.jsonl"
    path.write_text("".join(f"What is {a} + {b}?\n" for a in range(1, 13) for b in range(1, 13)))
    words = ("batch", str(path), "-o", str(output), "-m", "tiny", "--temp", "0")
    journal = tmp_path / "out.jsonl.journal"
    with subprocess.Popen(command(*words), stderr=subprocess.PIPE) as process:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 5:
            time.sleep(0.002)
        process.send_signal(2)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert b"stopped after" in told and b"of 144 rows" in told and b"the same command" in told
    assert not output.exists()
    again = run(*words, "--stats")
    assert again.code == 0 and "144 rows in" not in again.err
    assert len(lines(output)) == 144


def test_a_sound_s_words_are_a_row_s_text(tmp_path: Path) -> None:
    speech = Path(__file__).parent.parent / "speech" / "capital-of-france.flac"
    rows = [{"sound": str(speech)}, {"sound": str(tmp_path / "none.wav")}, {"other": 1}]
    done = batch(str(jsonl(tmp_path / "in.jsonl", rows)), "--audio", "sound", timeout=300)
    said, missing, column = lines(done.out)
    assert done.code == 6 and "Paris" in said["answer"]
    assert "none.wav" in missing["error"]["message"] and "sound" in column["error"]["message"]


def test_a_row_shows_its_picture(tmp_path: Path) -> None:
    names = []
    for colour in ("red", "blue"):
        names.append(str(tmp_path / f"{colour}.png"))
        Image.new("RGB", (64, 64), colour).save(names[-1])
    rows = [{"file": name, "prompt": "What colour is this?"} for name in (*names, "none.png")]
    done = batch(str(jsonl(tmp_path / "in.jsonl", rows)), "--image", "file", timeout=300)
    red, blue, missing = lines(done.out)
    assert done.code == 6
    assert "red" in red["answer"].lower() and "blue" in blue["answer"].lower()
    assert "none.png" in missing["error"]["message"]


def test_a_form_that_cannot_be_kept_ends_it_before_all_rows_fail(
    questions: Path, tmp_path: Path
) -> None:
    endless = batch(str(questions), "-o", str(tmp_path / "o"), "--grammar", 'root ::= "a" root')
    assert endless.code == 2 and "gbnf" in endless.err
    assert not (tmp_path / "o").exists() and not (tmp_path / "o.journal").exists()


def test_json_tells_what_was_done(questions: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = batch(str(questions), "-o", str(output), "--json", "-q")
    assert done.json == {"rows": 4, "answered": 4, "failed": 0, "output": str(output)}
    refused = batch(str(questions), "-o", str(output), "--json", "-q")
    assert json.loads(refused.err)["error"]["code"] == "bad_input"


@pytest.mark.parametrize("more", [("--dry-run",), ("--endpoint", "http://127.0.0.1:9/v1")])
def test_a_wrong_prompt_file_is_told_before_any_model_is_asked_for(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    rows = jsonl(tmp_path / "in.jsonl", [{"input": "x", "sound": "a.wav"}])
    done = run("batch", str(rows), "--audio", "sound", "-p", "none.md", *more)
    assert done.code == 2 and "none.md" in done.err, "not: there is no hearing model"


def test_a_conversation_is_held_with_the_character(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "Who are you?"}]}]
    path = jsonl(tmp_path / "in.jsonl", rows)
    shown = batch(str(path), "-c", "librarian", "--dry-run")
    assert shown.code == 0 and shown.out.startswith("[system]") and "atlas" in shown.out
    raw = batch(str(path), "--raw")
    assert raw.code == 2 and "conversation" in raw.err


@pytest.mark.parametrize("more", [("-s", "You are Ada."), ("-c", "librarian"), ("-p", "title"), ("--raw",)])  # fmt: skip
def test_what_an_openai_line_says_already_is_not_asked_beside_it(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    body = {"messages": [{"role": "user", "content": "Who are you?"}]}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    path = jsonl(tmp_path / "in.jsonl", [row])
    refused = batch(str(path), *more)
    assert refused.code == 2 and f"leave out {more[0]}" in refused.err
    assert batch(str(path)).code == 0


@pytest.mark.parametrize("column", ["image", "audio"])
def test_a_row_that_names_no_file_fails_alone(tmp_path: Path, column: str) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    names = ["good", "a\0b", "\ud800.png", str(tmp_path), str(pipe), "~nobody-here/x.png"]
    if column == "image":
        names[0] = str(tmp_path / "red.png")
        Image.new("RGB", (64, 64), "red").save(names[0])
    else:
        names[0] = str(ROOT / "tests" / "speech" / "capital-of-france.flac")
    path = jsonl(tmp_path / "in.jsonl", [{"file": name, "prompt": "What is it?"} for name in names])
    done = batch(str(path), f"--{column}", "file", timeout=300)
    first, *others = lines(done.out)
    assert done.code == 6 and first["error"] is None, done.err
    assert len(others) == 5 and all(each["error"] for each in others)


def test_a_terminal_obeys_nothing_in_an_answer(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "in.jsonl", [{"id": "\x1b[31m\x9b\u202e", "input": "What is 1 + 2?"}])
    for form in ("jsonl", "csv"):
        number, end = pty.openpty()
        words = command("batch", str(path), "-m", "tiny", "-F", form, "-q")
        subprocess.run(words, stdout=end, check=True, timeout=60)
        shown = os.read(number, 4096).decode()
        os.close(end)
        os.close(number)
        assert "1 + 2 = 3." in shown
        assert not any(letter in shown for letter in ("\x1b", "\x9b", "\u202e"))
