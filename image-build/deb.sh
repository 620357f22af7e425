#!/usr/bin/env bash
# Makes a Debian package of what was built: programs, plugins, service units, the commented configuration. Installed, it starts the recorder; removed, it leaves footage, log and configuration;
# purged, it takes the configuration away and says where the rest is. The same files give the same package.
# Usage: image-build/deb.sh BIN_DIR PLUGIN_DIR OUT.deb
# Needs dpkg-dev and binutils. The package is for the release of Debian that the programs were built on: it names that one's libraries.
set -euo pipefail
[ $# -eq 3 ] || { sed -n 's/^# \(Usage: .*\)/\1/p' "$0" >&2; exit 2; }
bin=$(realpath "$1") plugins=$(realpath "$2") out=$(realpath -m "$3")
cd "$(dirname "$0")/.."
programs=(watchbook watchbook-decode watchbook-encode watchbook-plugins watchbook-plugin watchbook-verify watchbook-approve watchbook-witness)
for program in "${programs[@]}"; do
    [ -x "$bin/$program" ] || { echo "deb: $bin/$program is missing; run: make plugins" >&2; exit 1; }
done
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# Of the last change: what is packed carries this time and no other.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
export SOURCE_DATE_EPOCH
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root="$work/root"
mkdir -p "$root/DEBIAN" "$root"/usr/{bin,lib/systemd/system,lib/sysusers.d,lib/watchbook,share/doc/watchbook} "$root/etc/watchbook"
for program in "${programs[@]}"; do
    # Names of functions stay, for the log of a crash; line tables are most of the file.
    strip --strip-debug -o "$root/usr/bin/$program" "$bin/$program"
    chmod 0755 "$root/usr/bin/$program"
done
mkdir "$root/usr/lib/watchbook/plugins"
for plugin in "$plugins"/*/; do
    name=$(basename "$plugin")
    mkdir "$root/usr/lib/watchbook/plugins/$name"
    # What its tests need stays behind.
    for part in plugin.toml plugin.wasm README.md LICENSE models; do
        [ ! -e "$plugin$part" ] || cp -r --no-preserve=mode,ownership,timestamps "$plugin$part" "$root/usr/lib/watchbook/plugins/$name/"
    done
done
install -m 0644 appliance/systemd/*.service appliance/systemd/*.socket appliance/systemd/*.slice "$root/usr/lib/systemd/system/"
install -m 0644 appliance/systemd/sysusers.conf "$root/usr/lib/sysusers.d/watchbook.conf"
install -m 0644 appliance/watchbook/watchbook.example.toml "$root/etc/watchbook/watchbook.toml"
install -m 0644 LICENSE "$root/usr/share/doc/watchbook/copyright"
install -m 0644 SECURITY.md "$root/usr/share/doc/watchbook/SECURITY.md"

# dpkg-shlibdeps wants a source package; it needs no more of one than this.
mkdir -p "$work/debian" && printf 'Source: watchbook\n\nPackage: watchbook\nArchitecture: any\n' >"$work/debian/control"
staged=("${programs[@]/#/$root/usr/bin/}")
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "${staged[@]}" 2>/dev/null | sed 's/^shlibs:Depends=//')
[ -n "$depends" ] || { echo "deb: dpkg-shlibdeps named no libraries" >&2; exit 1; }
cat >"$root/DEBIAN/control" <<EOF
Package: watchbook
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: Watchbook <security@watchbook.invalid>
Section: video
Priority: optional
Depends: $depends, systemd (>= 252)
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Description: network video recorder that keeps the book on those who look
 Records IP and V4L2 cameras, runs plugins in a sandbox, and is used from its own
 page. Every view, export and change is in a log that an outsider can check.
EOF
echo /etc/watchbook/watchbook.toml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    systemd-sysusers watchbook.conf
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
    # The first time; whoever switched it off meanwhile keeps that.
    if [ -z "$2" ]; then
        systemctl enable --quiet watchbook.service
    fi
    if [ -d /run/systemd/system ] && systemctl is-enabled --quiet watchbook.service; then
        systemctl restart watchbook.service
        echo "Watchbook runs: https://$(hostname):8080/ asks for the claim code, which is in /var/lib/watchbook/state/claim-code"
    fi
fi
EOF
cat >"$root/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl stop watchbook.service watchbook-child.socket system-watchbookchild.slice
fi
if [ "$1" = remove ]; then
    systemctl disable --quiet watchbook.service
fi
EOF
cat >"$root/DEBIAN/postrm" <<'EOF'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
if [ "$1" = purge ]; then
    rm -rf /etc/watchbook
    echo "Footage, accounts and the log are still in /var/lib/watchbook; remove them by hand when nobody needs them"
fi
EOF
chmod 0755 "$root"/DEBIAN/{postinst,prerm,postrm}
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$(dirname "$out")"
dpkg-deb --root-owner-group -Zzstd --build "$root" "$out" >/dev/null
echo "$out"
