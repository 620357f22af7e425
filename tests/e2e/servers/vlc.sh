#!/usr/bin/env bash
# A camera by VLC's RTSP server, which shares no code with GStreamer's and live555's. VLC (GPL) is run beside the tests and is part of nothing.
# Usage: vlc.sh FILE     serves FILE, over and over and to all viewers alike, as rtsp://127.0.0.1:PORT/main
# Says `READY rtsp://127.0.0.1:PORT/` on standard output once it listens; ends when its standard input does.
set -euo pipefail
file=$1
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run=(cvlc --ignore-config --no-media-library --no-audio --repeat --sout-keep --sout "#rtp{sdp=rtsp://127.0.0.1:$port/main}" "$file")
# It refuses to be root. As root of a namespace's other user it has another number and the same files.
if [ "$(id -u)" = 0 ]; then run=(unshare --user --map-user=1000 --map-group=1000 "${run[@]}"); fi
"${run[@]}" >&2 </dev/null &
vlc=$!
trap 'kill -9 $vlc 2>/dev/null || true' EXIT
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 $vlc || { echo "vlc has ended" >&2; exit 1; }
done
echo "READY rtsp://127.0.0.1:$port/"
cat >/dev/null
