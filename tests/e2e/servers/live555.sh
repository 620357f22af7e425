#!/usr/bin/env bash
# A camera by live555's RTSP server, the one in many real cameras. Debian 12 carries no live555; the Python package liblivemedia carries its source (LGPL), of which this
# builds the server once (half a minute), into WATCHBOOK_CACHE, else ~/.cache/watchbook.
# Usage: live555.sh [--port N] [--user NAME --password TEXT] DIR     serves each *.264 and *.265 of DIR as rtsp://127.0.0.1:PORT/FILE, for each viewer from its beginning to its end
#        live555.sh --build                                          builds only
# Says `READY rtsp://127.0.0.1:PORT/` on standard output; ends when its standard input does.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=1.0.5 # live555 of 2024-06-26
digest=564f65501ea5e823e5c53b1847ce3f41bd7b71ee2e9f3ba154a7e955817dfb48
cache="${WATCHBOOK_CACHE:-$HOME/.cache/watchbook}/live555-$version"
mkdir -p "$cache"
server="$cache/live555-camera"

build() (
    cd "$cache"
    if [ ! -f liblivemedia-$version.tar.gz ]; then
        # Only the source archive is wanted; its own build (a Python module) is not run.
        /usr/bin/python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation --dest . liblivemedia==$version >pip.log 2>&1 || { cat pip.log >&2; exit 1; }
    fi
    echo "$digest  liblivemedia-$version.tar.gz" | sha256sum --quiet --check
    rm -rf source objects
    mkdir source objects
    tar -xzf liblivemedia-$version.tar.gz -C source --strip-components=1
    includes=(-I../source/{UsageEnvironment,BasicUsageEnvironment,groupsock,liveMedia}/include -I../source/liveMedia)
    flags=(-O1 -w -DSOCKLEN_T=socklen_t -DNO_OPENSSL=1 "${includes[@]}")
    cd objects
    printf '%s\n' ../source/{UsageEnvironment,BasicUsageEnvironment,groupsock,liveMedia}/*.cpp | xargs -P "$(nproc)" -n 8 g++ -std=c++20 -c "${flags[@]}"
    gcc -c "${flags[@]}" ../source/groupsock/inet.c ../source/liveMedia/rtcp_from_spec.c
    g++ -std=c++20 "${flags[@]}" "$here/live555/server.cpp" ./*.o -o "$server.new"
    mv "$server.new" "$server"
    cd .. && rm -rf source objects
)

exec 9>"$cache/.lock"
flock 9
if [ ! -x "$server" ] || [ "$here/live555/server.cpp" -nt "$server" ]; then build >&2; fi
exec 9>&-
[ "${1:-}" = --build ] && exit 0
exec "$server" "$@"
