#!/usr/bin/env bash
# A camera by VLC's RTSP server, which shares no code with GStreamer's and live555's. VLC (GPL) is run beside the tests and is part of nothing.
# Usage: vlc.sh FILE     serves FILE, over and over and to all viewers alike, as rtsp://127.0.0.1:PORT/main
# Says `READY rtsp://127.0.0.1:PORT/` on standard output once it listens; ends when its standard input does.
set -euo pipefail
file=$1
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as=()
# It refuses to be root. As root of a namespace's other user it has another number and the same files; where there are no such namespaces, nobody gets a copy of the file.
if [ "$(id -u)" = 0 ]; then
    as=(unshare --user --map-user=1000 --map-group=1000)
    if ! "${as[@]}" true 2>/dev/null; then
        as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        folder=$(mktemp -d)
        chmod 755 "$folder"
        install -m 644 "$file" "$folder/"
        file="$folder/$(basename "$file")"
    fi
fi
# It ends with this script, also when that is killed.
run=("${as[@]}" setpriv --pdeathsig=KILL cvlc --ignore-config --no-media-library --no-audio --repeat --sout-keep --sout "#rtp{sdp=rtsp://127.0.0.1:$port/main}" "$file")
"${run[@]}" >&2 </dev/null &
vlc=$!
trap 'kill -9 $vlc 2>/dev/null || true; rm -rf "${folder:-}"' EXIT
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 $vlc || { echo "vlc has ended" >&2; exit 1; }
done
echo "READY rtsp://127.0.0.1:$port/"
cat >/dev/null
