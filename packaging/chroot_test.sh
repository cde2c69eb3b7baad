#!/bin/sh
# chroot_test.sh OUTPUT RELEASE: what package.sh has made, in a chroot that holds every package of that release of Debian
# which depends on libev: libev goes, ours comes, all others stay and work; and back again.
set -eu
output=$(cd "$1" && pwd) release=$2
here=$(cd "$(dirname "$0")" && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}

# Some 400 packages: kept for the next time.
full=$output/dependants.tar
[ -s "$full" ] || {
    echo "making a chroot of $release with all that depends on libev" >&2
    # shellcheck disable=SC2016 # for the shell in the chroot
    mmdebstrap --quiet --variant=apt --mode=root --skip=cleanup/apt --include=python3,procps,binutils,abigail-tools,libcap2-bin \
        --customize-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"' \
        --customize-hook="cp $here/swap_test.sh \"\$1/swap_test.sh\"" \
        --customize-hook='chroot "$1" sh /swap_test.sh --prepare' \
        "$release" "$output/new.tar" "deb $mirror $release main"
    mv "$output/new.tar" "$full"
}

chroot=$output/chroot
rm -rf "$chroot"
mkdir -p "$chroot"
tar -C "$chroot" -xf "$full"
trap 'rm -rf "$chroot"' EXIT
cp "$output"/*.deb "$here/swap_test.sh" "$chroot/"
# shellcheck disable=SC2016 # for the shell in the namespace
unshare --mount --pid --net --fork sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" sh /swap_test.sh' sh "$chroot"
