#!/bin/sh
# package.sh OUTPUT RELEASE ARCHIVE: the Debian packages of a release archive, built in a clean chroot of that release of
# Debian by a user who is not root, and looked over by lintian. As root; every mount is in a namespace that goes with us.
set -eu
output=$1 release=$2 archive=$3
here=$(cd "$(dirname "$0")" && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}
name=$(basename "$archive" .tar.gz) # evring-0.1.0
version=${name#evring-}

mkdir -p "$output"
output=$(cd "$output" && pwd)

# What is the same every time is kept: a fresh system with the tools that every package needs.
base=$output/base.tar
[ -s "$base" ] || {
    echo "making a chroot of $release" >&2
    mmdebstrap --quiet --variant=apt --mode=root --include=build-essential,fakeroot,lintian "$release" "$output/new.tar" \
        "deb $mirror $release main"
    mv "$output/new.tar" "$base"
}

chroot=$output/chroot
rm -rf "$chroot"
mkdir -p "$chroot"
tar -C "$chroot" -xf "$base"
trap 'rm -rf "$chroot"' EXIT

work=$chroot/build
mkdir -p "$work"
cp "$archive" "$work/evring_$version.orig.tar.gz"
tar -C "$work" -xf "$archive"
cp -R "$here/debian" "$work/$name/debian"

number=$(sed -n 's/^VERSION_ID="\(.*\)"/\1/p' "$chroot/etc/os-release")
date=$(tar -tvf "$archive" --full-time | awk 'NR == 1 { print $4 " " $5 }')
cat >"$work/$name/debian/changelog" <<END
evring ($version-1~deb$number) $release; urgency=medium

  * evring $version: see CHANGES.md.

 -- The evring authors <evring@packages.invalid>  $(LC_ALL=C date -u -R -d "$date UTC")
END

cat >"$work/steps" <<'END'
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chown -R nobody /build
cd /build/evring-*/
apt-get -qq update
apt-get -qq -y --no-install-recommends build-dep . >/build/apt.log 2>&1 || { cat /build/apt.log; exit 1; }
runuser -u nobody -- dpkg-buildpackage -us -uc >/build/build.log 2>&1 || { tail -n 60 /build/build.log; exit 1; }
cd ..
runuser -u nobody -- lintian --display-info --fail-on error,warning --tag-display-limit 0 evring_*.changes >lintian.log 2>&1 ||
    { cat lintian.log; exit 1; }
cat lintian.log
END
# shellcheck disable=SC2016 # for the shell in the namespace
unshare --mount --pid --fork sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" sh /build/steps' sh "$chroot"
find "$output" -maxdepth 1 -name '*evring*' -delete
find "$work" -maxdepth 1 -type f \( -name '*.deb' -o -name 'evring_*' -o -name '*.log' \) -exec cp {} "$output" \;
