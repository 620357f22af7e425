#!/usr/bin/env bash
# Makes the footage that the camera servers play in a loop, once: real street footage, encoded as cameras encode it.
# Usage: prepare_footage.sh DIR [SCENE]
#   DIR    gets main.264 and sub.264 (pedestrians on a square: vtest.avi of OpenCV's samples, Debian package opencv-doc), main2.264 and sub2.264 (SCENE, any file
#          that ffmpeg reads; without one the same square mirrored and 20 s later), hevc.265, audio.aac and footage.json, which lists them. Main streams are 1280x720 at
#          25 pictures a second and at most 4 Mbit/s, sub streams 640x360 at 10; a key frame every 2 s, no B-frames. bframes.mp4 has two
#          B-frames between others, long.mp4 a key frame every 12 s.
# Does nothing when DIR is up to date.
set -euo pipefail
dir=$1 scene=${2:-}
square=/usr/share/doc/opencv-doc/examples/data/vtest.avi
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9

work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ ! -f "$square" ] && [ -f "$square.gz" ]; then
    gzip -dc "$square.gz" >"$work/square.avi"
    square="$work/square.avi"
fi
[ -f "$square" ] || { echo "prepare_footage: $square is missing; install the package opencv-doc" >&2; exit 1; }

stamp="2 $(stat -c '%s' "$square") ${scene:+$(stat -c '%n %s %Y' "$scene")}"
if [ -f "$dir/stamp" ] && [ "$(cat "$dir/stamp")" = "$stamp" ]; then exit 0; fi
rm -f "$dir/stamp" "$dir"/variant-*

# Access unit delimiters (aud) let the servers cut the files into pictures without parsing slices.
main=(-r 25 -c:v libx264 -preset veryfast -profile:v main -g 50 -keyint_min 50 -sc_threshold 0 -bf 0 -b:v 3M -maxrate 4M -bufsize 4M -x264-params aud=1)
sub=(-r 10 -c:v libx264 -preset veryfast -profile:v main -g 20 -keyint_min 20 -sc_threshold 0 -bf 0 -b:v 300k -maxrate 500k -bufsize 500k -x264-params aud=1)

# name, filters before the scaling, input options and file …
encode() {
    local name=$1 filter=$2
    shift 2
    ffmpeg -v error -nostdin -y "$@" -t 60 -an \
        -filter_complex "[0:v]${filter}format=yuv420p,split=2[a][b];[a]scale=1280:720:flags=bicubic,setsar=1[main];[b]scale=640:360:flags=bicubic,setsar=1[sub]" \
        -map '[main]' "${main[@]}" -f h264 "$work/main$name.264" -map '[sub]' "${sub[@]}" -f h264 "$work/sub$name.264"
}

crop="crop=768:432:0:104,"
encode "" "$crop" -i "$square"
if [ -n "$scene" ]; then
    encode 2 "" -i "$scene"
else
    encode 2 "${crop}hflip," -ss 20 -i "$square"
fi
ffmpeg -v error -nostdin -y -i "$square" -t 20 -an -vf "${crop}scale=640:360,format=yuv420p" -r 25 -c:v libx265 -preset ultrafast \
    -x265-params "log-level=error:keyint=50:min-keyint=50:scenecut=0:bframes=0:aud=1:bitrate=600:repeat-headers=1" -f hevc "$work/hevc.265"
mp4=(-v error -nostdin -y -i "$square" -an -vf "${crop}scale=320:180,format=yuv420p" -r 25 -c:v libx264 -preset veryfast -sc_threshold 0 -b:v 200k)
ffmpeg "${mp4[@]}" -t 12 -g 50 -keyint_min 50 -bf 2 -b_strategy 0 -f mp4 "$work/bframes.mp4"
ffmpeg "${mp4[@]}" -t 30 -g 300 -keyint_min 300 -bf 0 -f mp4 "$work/long.mp4"
ffmpeg -v error -nostdin -y -f lavfi -i "sine=frequency=440:sample_rate=44100:duration=20" -c:a aac -b:a 48k -f adts "$work/audio.aac"

cat >"$work/footage.json" <<'JSON'
{
  "main": {"file": "main.264", "fps": 25},
  "sub": {"file": "sub.264", "fps": 10},
  "main2": {"file": "main2.264", "fps": 25},
  "sub2": {"file": "sub2.264", "fps": 10},
  "hevc": {"file": "hevc.265", "fps": 25}
}
JSON
mv -f "$work"/*.264 "$work"/*.mp4 "$work"/*.265 "$work"/*.aac "$work"/footage.json "$dir/"
echo "$stamp" >"$dir/stamp"
