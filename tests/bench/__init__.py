"""Comparisons with llama.cpp's own programs, and the figures that the project holds itself to.

    python -m tests.bench.against_server   greedy answers, ours and llama-server's, side by side
    python -m tests.bench.templates        chat templates as we and as llama-server render them
    python -m tests.bench.one_stream       prompt and decode speed of one request: llama-bench
    python -m tests.bench.warm_ask         a warm one-liner: curl to llama-server
    python -m tests.bench.streams          sixteen requests at once: llama-server with as many slots
    python -m tests.bench.fixed_part       the second use of a long system text
    python -m tests.bench.constrained      what a schema costs a token
    python -m tests.bench.pictures         a hundred pictures: llama-server with the projector
    python -m tests.bench.batch            two hundred rows with one prefix: llama-server, a loop
    python -m tests.bench.transcribe       ten minutes of speech: whisper-ctranslate2
    python -m tests.bench.sd_cli           a picture: stable-diffusion.cpp's sd-cli
    python -m tests.bench.memory_rule      what the memory rule predicts, and llama.cpp's own log
    python -m tests.bench.start            what `localai --help` costs
    python -m tests.bench.beside           decoding while other programs take the cores
    python -m tests.bench.shapes           writes the models that these run on

Each names model, span and repetitions, and prints medians and ratios of one run in which both
sides take turns; `--help` names its options. A busy machine blurs them: have it quiet.

llama.cpp's programs are built from the source that belongs to the installed
llama-cpp-python, with the options its wheel has when it is built on the same machine: Release,
shared libraries, native instructions, OpenMP and llamafile's kernels (llama.cpp's defaults).
Web pages and TLS are left out, as they would have to be fetched:

    SOURCE=$(python -c "from tests.support.sources import llama_source; print(llama_source(True))")
    cmake -G Ninja -S "$SOURCE" -B build-llama -DCMAKE_BUILD_TYPE=Release \\
        -DBUILD_SHARED_LIBS=ON -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF \\
        -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \\
        -DLLAMA_BUILD_APP=OFF
    cmake --build build-llama --target llama-server llama-bench
    export LOCALAI_LLAMA_BIN=$PWD/build-llama/bin

`LOCALAI_LLAMA_BIN` names the folder of the programs; without it they are looked for on PATH.
"""
