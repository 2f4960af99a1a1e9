"""The commands evaluate and sample, and info about a run: what they print, and one line for what goes wrong."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from signalled import default_signals
from trained import documents, make_corpus, make_run, refuse

from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.evaluation.language_model import evaluate
from gpurnn.generation.generate import generate
from gpurnn.runs.checkpoint import read_checkpoint, write_checkpoint
from gpurnn.training.load import Trained, load_trained

ROOT = Path(__file__).resolve().parents[2]
CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus text.h5 with the run `run` on it, and bytes.h5 with `bytes`."""
    be, made = backend.get("cpu"), tmp_path_factory.mktemp("cli")
    make_run(be, make_corpus(made / "text.h5", documents(24)), made / "run", cell="gru", layers=2)
    make_run(be, make_corpus(made / "bytes.h5", documents(24), tokens="bytes"), made / "bytes")
    return made


@pytest.fixture
def model(folder: Path) -> Trained:
    return load_trained(folder / "run", backend.get("cpu"), on_warning=refuse)


def run(command: str, *arguments: object, **options: object) -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments), *CPU], **options)  # type: ignore[arg-type]


def text_of(model: Trained, prompt: str = "", **options: object) -> str:
    return "".join(generate(model.model, model.language, prompt, **options))  # type: ignore[arg-type]


EVALUATED = ["tokens", "nats_per_token", "bits_per_char", "bits_per_byte", "perplexity", "lanes"]
EVALUATED += ["stuck_lanes", "median_nats_per_token"]


def process(*arguments: object, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "gpurnn", *map(str, arguments), *CPU]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(  # type: ignore[call-overload]
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, preexec_fn=default_signals, **options
    )


def test_evaluate_prints_what_the_library_finds(folder: Path, model: Trained):
    done = run("evaluate", folder / "run", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    with Corpus.open(folder / "text.h5") as corpus:
        expected = evaluate(model.model, model.language, corpus)
        found = json.loads(done.stdout)
        assert list(found) == EVALUATED
        assert found == expected.to_json()
        train = evaluate(model.model, model.language, corpus, "train", lanes=3)
    done = run("evaluate", folder / "run", folder / "text.h5", "--split", "train", "--lanes", 3)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{folder}/run/best.safetensors on split train of {folder}/text.h5",
        f"  tokens     {train.tokens:>15,}",
        f"  nats/token {train.nats_per_token:>15.4f}",
        f"  bits/char  {train.bits_per_char:>15.4f}",
        f"  bits/byte  {train.bits_per_byte:>15.4f}",
        f"  perplexity {train.perplexity:>15.4f}",
        "  lanes                    3",
    ]


def test_what_unknown_words_hide_is_null(tmp_path: Path):
    corpus = make_corpus(tmp_path / "words.h5", [*documents(24), "words that are new here"], tokens="words")
    make_run(backend.get("cpu"), corpus, tmp_path / "run")
    found = json.loads(run("evaluate", tmp_path / "run", "--json").stdout)
    assert (found["bits_per_char"], found["bits_per_byte"]) == (None, None)
    assert "bits/char          unknown" in run("evaluate", tmp_path / "run").stdout


def test_which_checkpoint_is_used(folder: Path, tmp_path: Path):
    def used(*options: object) -> str:
        return run("evaluate", *options).stdout.split(" on split")[0]

    last = folder / "run" / "checkpoints" / "window-0000000012.safetensors"
    assert used(folder / "run") == str(folder / "run" / "best.safetensors")
    assert used(folder / "run", "--checkpoint", "last") == str(last)
    before = last.with_name("window-0000000010.safetensors")
    assert used(folder / "run", "--checkpoint", before) == str(before)
    assert used(last) == str(last)
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / "best.safetensors").unlink()
    assert used(tmp_path / "run") == str(tmp_path / "run" / "checkpoints" / last.name)


def test_sample_prints_what_the_library_makes(folder: Path, model: Trained):
    done = run("sample", folder / "run", "--length", 70, "--seed", 5)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == text_of(model, length=70, seed=5)
    options = ["--length", 70, "--seed", 5, "--temperature", 0.7, "--top-k", 6, "--top-p", 0.9]
    done = run("sample", folder / "run", "--prompt", "a note", *options)
    expected = text_of(model, "a note", length=70, seed=5, temperature=0.7, top_k=6, top_p=0.9)
    assert done.stdout == expected != text_of(model, "a note", length=70, seed=5)
    stop = expected[30:33]
    done = run("sample", folder / "run", "--prompt", "a note", *options, "--stop", stop.replace("\n", "\\n"))
    assert done.stdout == expected.partition(stop)[0]
    assert len(run("sample", folder / "run").stdout) == 1000


def test_several_texts_are_told_apart(folder: Path, model: Trained):
    done = run("sample", folder / "run", "--prompt", "it", "--length", 40, "--seed", 5, "-n", 3)
    texts = [text_of(model, "it", length=40, seed=seed) for seed in (5, 6, 7)]
    expected = [f"--- {i} of 3 ---\n{text}" + "\n" * (not text.endswith("\n")) for i, text in enumerate(texts, 1)]
    assert done.stdout == "".join(expected)
    assert run("sample", folder / "run", "--length", 40).stdout != run("sample", folder / "run", "--length", 40).stdout


def test_a_prompt_from_a_file_or_standard_input(folder: Path, model: Trained, tmp_path: Path):
    prompt = "für a note\r\n" * 20
    file = tmp_path / "prompt.txt"
    file.write_bytes(prompt.encode())
    expected = text_of(model, prompt, length=60, seed=2)
    options = ["--length", 60, "--seed", 2]
    assert run("sample", folder / "run", "--prompt", prompt, *options).stdout == expected
    assert run("sample", folder / "run", "--prompt-file", file, *options).stdout == expected
    assert run("sample", folder / "run", "--prompt-file", "-", *options, input=prompt.encode()).stdout == expected


def test_prompt_and_stop_know_the_same_escapes(folder: Path, model: Trained, tmp_path: Path):
    options = ["--length", 60, "--seed", 2]
    done = run("sample", folder / "run", "--prompt", r"note.\nit", *options)
    assert done.stdout == text_of(model, "note.\nit", length=60, seed=2)
    for prompt, found in ((r"a\\n", "\\"), (r"a\t", "\t"), (r"a\x", "\\")):
        done = run("sample", folder / "run", "--prompt", prompt, *options)
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"{found!r} at character 1 is not in the vocabulary" in done.stderr
    file = tmp_path / "prompt.txt"
    file.write_text(r"a\n")  # a file is taken as it is
    assert "'\\\\' at character 1" in run("sample", folder / "run", "--prompt-file", file, *options).stderr


def test_a_prompt_file_is_read_as_a_text_is(folder: Path, model: Trained, tmp_path: Path):
    prompt, file, options = "für a note\n" * 20, tmp_path / "prompt", ["--length", 60, "--seed", 2]
    for data in (prompt.encode(), gzip.compress(prompt.encode())):
        file.write_bytes(data)
        for given in (file, "-"):
            done = run("sample", folder / "run", "--prompt-file", given, *options, input=data)
            assert done.stdout == text_of(model, prompt, length=60, seed=2)
    corpus = "if it is a corpus, train on it: gpurnn train FILE -o RUN"
    convert = "a prompt has to be in the encoding of the corpus, convert it with iconv"
    for data, said in (
        (prompt.encode("utf-16"), f"text in utf-16-le with a byte order mark, not in utf-8; {convert}"),
        (prompt.encode("utf-16-be"), f"text in utf-16-be without a byte order mark, not in utf-8; {convert}"),
        (bz2.compress(b"x"), "a bzip2 file, no text; unpack it first: bzcat FILE | gpurnn sample RUN --prompt-file -"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image, no text; give plain text instead"),
        (
            (folder / "text.h5").read_bytes(),
            f"an HDF5 file, no text; {corpus}",
        ),
    ):
        file.write_bytes(data)
        for given, label in ((file, file), ("-", "standard input")):
            done = run("sample", folder / "run", "--prompt-file", given, *options, input=data)
            assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"gpurnn: {label}: {said}\n")


def test_a_model_of_bytes_writes_bytes(folder: Path):
    model = load_trained(folder / "bytes", backend.get("cpu"), on_warning=refuse)
    done = run("sample", folder / "bytes", "--length", 300, "--seed", 1, "--prompt", "für")
    expected = b"".join(generate(model.model, model.language, "für".encode(), length=300, seed=1))
    assert done.stdout_bytes == expected
    assert len(expected) == 300
    with pytest.raises(UnicodeDecodeError):
        expected.decode()


BAD = [
    (["evaluate", "no"], 1, "no run directory at no"),
    (["evaluate", "text.txt"], 1, "text.txt is not an intact checkpoint"),
    (["evaluate", "run", "text.txt"], 1, "text.txt"),
    (["evaluate", "run", "bytes.h5"], 1, "bytes.h5: its vocabulary (15 bytes) is not the one that the model"),
    (["evaluate", "run", "--split", "test"], 1, "text.h5: split test is empty"),
    (["evaluate", "run", "--lanes", "100000"], 1, "100000 lanes do not fit"),
    (["evaluate", "run", "--lanes", f"{2**62}"], 1, "lanes do not fit"),
    (["evaluate", "run", "--lanes", "0"], 2, "--lanes"),
    (["evaluate", "run", "--split", "all"], 2, "'all' is not one of"),
    (["evaluate", "run", "--checkpoint", "gone"], 1, "cannot read checkpoint gone"),
    (["evaluate", "run", "--device", "gpu"], 2, "device 'gpu': expected auto, cpu, cuda or cuda:N"),
    (["sample", "no"], 1, "no run directory at no"),
    (["sample", "run", "--prompt", "a #"], 1, "'#' at character 2 is not in the vocabulary"),
    (["sample", "bytes", "--prompt", "a #"], 1, "b'#' at byte 2 is not in the vocabulary"),
    (["sample", "run", "--prompt", "a", "--prompt-file", "text.txt"], 2, "--prompt or --prompt-file, not both"),
    (["sample", "run", "--prompt-file", "gone.txt"], 1, "gone.txt: cannot read the text: No such file"),
    (["sample", "run", "--prompt-file", "."], 1, ".: cannot read the text: Is a directory"),
    (
        ["sample", "run", "--prompt-file", "latin.txt"],
        1,
        "latin.txt: byte 1 (fc) is not utf-8: invalid start byte; a prompt has to be in the encoding of the corpus, "
        "convert it with iconv\n",
    ),
    (["sample", "run", "--length", "0", "-n", "2"], 2, "the first text never ends"),
    (["sample", "run", "--length", "-1"], 2, "--length"),
    (["sample", "run", "--temperature", "-1"], 2, "--temperature"),
    (["sample", "run", "--temperature", "nan"], 2, "temperature: expected 0, or 1e-06 or more, found nan"),
    (["sample", "run", "--top-k", "-1"], 2, "--top-k"),
    (["sample", "run", "--top-p", "0"], 2, "--top-p"),
    (["sample", "run", "--stop", ""], 2, "stop: expected a text, found an empty one"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=[" ".join(bad[0]) for bad in BAD])
def test_one_line_says_what_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
):
    monkeypatch.chdir(folder)
    (folder / "latin.txt").write_bytes(b"f\xfcr")
    done = CliRunner().invoke(main, arguments if "--device" in arguments else [*arguments, *CPU])
    assert done.exit_code == code
    assert message in done.stderr
    assert done.stdout == ""
    if done.stderr.startswith("gpurnn: "):
        assert done.stderr.count("\n") == 1


def altered(folder: Path, path: Path, change: dict[str, object], **config: object) -> Path:
    """The last checkpoint with other tensors or another configuration of its model."""
    read = read_checkpoint(folder / "run" / "checkpoints" / "window-0000000012.safetensors")
    header = json.loads(json.dumps(read.header))
    header["config"]["model"] |= config
    write_checkpoint(path, read.tensors | change, header)  # type: ignore[arg-type,operator]
    return path


@pytest.mark.parametrize(
    ("tensors", "config", "message"),
    [
        ({}, {"hidden": 10**9}, "layers.0.U: expected"),
        ({}, {"layers": 10**12}, "layers: expected at most 512, found 1000000000000"),
        ({}, {"layers": 3}, "layers.2.U: expected (6, 18), found no such tensor"),
        ({}, {"cell": "rnn"}, "cell: expected one of"),
        ({}, {"symbols": 13}, "expected (13, 18), found (14, 18)"),
        ({"layers.0.W": np.zeros((3, 3))}, {}, "layers.0.W: expected (6, 18), found (3, 3)"),
        ({"starts.counts": np.zeros(1, np.int64)}, {}, "starts: expected symbols"),
        ({"starts.symbols": np.zeros(1), "starts.counts": np.ones(1)}, {}, "starts: expected symbols"),
        ({"vocabulary.data": np.zeros(3, np.uint8)}, {}, "vocabulary: the offsets"),
    ],
)
def test_a_checkpoint_that_does_not_fit_itself(
    folder: Path, tmp_path: Path, tensors: dict[str, object], config: dict[str, object], message: str
):
    path = altered(folder, tmp_path / "altered.safetensors", tensors, **config)
    for command in ("evaluate", "sample"):
        done = run(command, folder / "run", "--checkpoint", path)
        assert (done.exit_code, done.stdout) == (1, "")
        assert message in done.stderr
        assert done.stderr.startswith(f"gpurnn: {path}") and done.stderr.count("\n") == 1


def test_info_about_a_run(folder: Path, tmp_path: Path):
    facts = json.loads(CliRunner().invoke(main, ["info", str(folder / "run"), "--json"]).stdout)
    entries = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    valid = [entry["valid_nats_per_token"] for entry in entries]
    model = load_trained(folder / "run", backend.get("cpu"), checkpoint="last", on_warning=refuse).model
    assert facts["model"] | {"hidden": 6, "layers": 2, "cell": "gru"} == facts["model"]
    assert facts["model"]["parameters"] == model.params.count
    assert facts["windows"] == 12
    with Corpus.open(folder / "text.h5") as corpus:
        per_epoch = -(-((corpus.splits["train"] - 1) // 4) // 16)
        assert facts["corpus"] == {
            "path": str(folder / "text.h5"),
            "tokens": "chars",
            "fingerprint": corpus.fingerprint,
        }
    assert facts["epochs"] == pytest.approx(12 / per_epoch)
    assert facts["loss"] == {
        "train": entries[-1]["nats_per_token"],
        "valid": valid[-1],
        "best_valid": min(valid),
        "best_window": 5 * (1 + valid.index(min(valid))),
    }
    assert facts["checkpoints"]["last"].endswith("window-0000000012.safetensors")
    assert facts["checkpoints"]["best"] == str(folder / "run" / "best.safetensors")
    assert facts["versions"]["backend"] == "cpu"
    shown = CliRunner().invoke(main, ["info", str(folder / "run")]).stdout
    assert {("cell", "gru"), ("hidden", "6"), ("windows", "12")} <= {tuple(x.split()[:2]) for x in shown.splitlines()}

    shutil.copytree(folder / "run", tmp_path / "new")
    shutil.rmtree(tmp_path / "new" / "checkpoints")
    (tmp_path / "new" / "checkpoints").mkdir()
    for name in ("best.safetensors", "log.jsonl"):
        (tmp_path / "new" / name).unlink()
    begun = json.loads(CliRunner().invoke(main, ["info", str(tmp_path / "new"), "--json"]).stdout)
    assert begun["model"] == facts["model"]
    assert (begun["windows"], begun["epochs"], begun["checkpoints"]) == (0, 0.0, {"last": None, "best": None})


def test_info_leaves_out_damaged_lines_of_a_log_and_says_so(folder: Path, tmp_path: Path):
    shutil.copytree(folder / "run", tmp_path / "run")
    whole = CliRunner().invoke(main, ["info", str(tmp_path / "run"), "--json"])
    with open(tmp_path / "run" / "log.jsonl", "ab") as log:
        log.write(b'\0\xff{"win\n\0\0\n{"window":')
    damaged = CliRunner().invoke(main, ["info", str(tmp_path / "run"), "--json"])
    assert (whole.exit_code, whole.stderr, damaged.exit_code) == (0, "", 0)
    assert json.loads(damaged.stdout) == json.loads(whole.stdout)
    assert damaged.stderr == f"gpurnn: {tmp_path / 'run' / 'log.jsonl'}: damaged lines were left out: 2\n"


def test_text_is_shown_as_it_is_made_until_the_reader_leaves(folder: Path, model: Trained):
    child = process("sample", folder / "run", "--length", 0, "--seed", 3)
    assert child.stdout.read(200).decode(errors="ignore")[:100] == text_of(model, length=100, seed=3)
    child.stdout.close()
    assert child.wait(60) == 0
    assert child.stderr.read() == b""
    child.stderr.close()


def test_an_endless_text_ends_with_ctrl_c(folder: Path):
    child = process("sample", folder / "run", "--length", 0)
    assert len(child.stdout.read(50)) == 50
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (130, b"gpurnn: stopped by SIGINT; nothing is lost\n")


def test_text_that_the_terminal_cannot_show(folder: Path, model: Trained):
    seed = next(seed for seed in range(50) if "ü" in text_of(model, length=80, seed=seed))
    done = run("sample", folder / "run", "--length", 80, "--seed", seed)
    assert "ü" in done.stdout
    plain = CliRunner(charset="ascii").invoke(
        main, ["sample", str(folder / "run"), "--length", "80", "--seed", str(seed), *CPU]
    )
    assert plain.stdout == done.stdout.replace("ü", "?")
    assert plain.stderr.startswith(f"gpurnn: {done.stdout.count('ü')} character") and "ascii" in plain.stderr
