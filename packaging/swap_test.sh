#!/bin/sh
# swap_test.sh, in the chroot of chroot_test.sh: --prepare installs all dependants of libev; without it, the test itself.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
libev=libev4
apt-cache show libev4t64 >/dev/null 2>&1 && libev=libev4t64
passed=0 failed=0

# All that depend on libev and can be installed beside the others.
if [ "${1-}" = --prepare ]; then
    apt-cache rdepends "$libev" | sed -n 's/^  *|*//p' | sort -u >/dependants
    # shellcheck disable=SC2046 # names of packages are words
    apt-get -qq -y --no-install-recommends install $(cat /dependants) >/dev/null
    apt-get clean
    # What is needed to come back: there is no network in the test.
    cd /var/cache/apt/archives && apt-get -qq download "$libev" libev-dev
    exit
fi

ok() {
    passed=$((passed + 1))
    echo "ok: $*"
}

bad() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

# usage: check SENTENCE COMMAND…
check() {
    sentence=$1
    shift
    if "$@" >/tmp/said 2>&1; then ok "$sentence"; else
        bad "$sentence"
        tail -n 20 /tmp/said
    fi
}

same() {
    [ "$1" = "$2" ] || {
        printf '%s\n---\n%s\n' "$1" "$2"
        return 1
    }
}

packages() {
    dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' | sort
}

installed() {
    for package; do dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || echo "$package"; done
}

# What apt would remove, as it says itself; "Remv" lines name those that would break without us, which is not the same.
removed() {
    apt-get -s "$@" | sed -n '/will be REMOVED/,/^[^ ]/ { /^ / p }' | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'
}

quiet() {
    dpkg --audit && apt-get check && same "$(apt-get -s autoremove | grep -c '^Remv')$(removed dist-upgrade)" 0
}

# Every file that names libev.so.4 finds all symbols it had with libev.
symbols() {
    { xargs dpkg-query -L </dependants 2>/dev/null || :; } | sort -u | xargs -d '\n' grep -slF libev.so.4 | while read -r file; do
        readelf -d "$file" 2>/dev/null | grep -q 'NEEDED.*libev\.so\.4' || continue
        echo "file $file"
        LD_BIND_NOW=1 ldd -r "$file" 2>&1 | sed -n 's/^\(undefined symbol: [a-z_]*\).*/\1/p' | grep -E ' (ev|event)_' || :
    done
}

serve() {
    mkdir -p /tmp/htdocs && echo hello >/tmp/htdocs/index.html
    nghttpd --no-tls -d /tmp/htdocs 8080 >/dev/null 2>&1 &
    server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.5
        EVRING_STATS=/tmp/stats h2load -n 2000 -c 10 http://127.0.0.1:8080/index.html >/tmp/load 2>&1 || continue
        break
    done
    grep -q libev.so.4.0.0 /proc/$server/maps
    kill $server
    wait $server || :
    grep -q '2000 succeeded, 0 failed' /tmp/load
}

GEVENT='import gevent.core, gevent
gevent.config.loop = "libev-cext"
hub = gevent.get_hub()
print(hub.loop.backend)
assert [job.get() for job in [gevent.spawn(lambda n=n: (gevent.sleep(0.01), n)[1]) for n in range(9)]] == list(range(9))'

programs_work() {
    check "nghttpd serves h2load, on $1" serve
    check "gevent's loop of libev runs" python3 -c "$GEVENT"
    check "cassandra's reactor of libev loads" python3 -c 'import cassandra.io.libevwrapper as w; w.Loop()'
    for command in "elinks --version" "nghttpx --version" "hitch --version" "i3bar --version" "knxd --version" "ocserv --version" \
        "picom --version" "ss-server -h" "multiwatch -h" "sniproxy -V" "gdnsd -V" "uacme --version"; do
        # shellcheck disable=SC2086 # a command and its arguments
        check "${command%% *} starts" sh -c "out=\$($command 2>&1); rc=\$?; echo \"\$out\"; [ \$rc -lt 126 ]"
    done
}

python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14s", b"lo", 0x49, b""))'
library=$(dpkg-query -L "$libev" | grep 'libev\.so\.4\.0\.0$')
cp "$library" /tmp/stock.so
packages >/tmp/before
# shellcheck disable=SC2046
check "all $(wc -l </dependants) dependants are installed" same "$(installed $(cat /dependants))" ""
symbols >/tmp/symbols-before
programs_work libev

ours="./$(basename /libev4-evring_*.deb) ./$(basename /libev-evring-dev_*.deb)"
cd /
# shellcheck disable=SC2086
check "only libev goes" same "$(removed install $ours)" "libev-dev $libev"
# shellcheck disable=SC2086
check "ours comes" apt-get -qq -y install $ours
# shellcheck disable=SC2046
check "all dependants but libev-dev, which is replaced, stay" same "$(installed $(cat /dependants))" "libev-dev"
check "dpkg and apt have nothing to say" quiet
symbols >/tmp/symbols-after
check "none of $(grep -c ^file /tmp/symbols-before) files misses a symbol it had" same "$(cat /tmp/symbols-before)" "$(cat /tmp/symbols-after)"
check "all of Debian's interface is there" abidiff --no-added-syms /tmp/stock.so "$library"
check "abidiff can tell" sh -c "! abidiff --no-added-syms $library /tmp/stock.so"
rm -f /tmp/stats
programs_work evring
check "h2load was on evring" grep -i evring /tmp/stats

check "back: only ours goes" same "$(removed install "$libev" libev-dev)" "libev-evring-dev libev4-evring"
check "back: libev comes" apt-get -qq -y install "$libev" libev-dev
packages >/tmp/after
check "back: the same packages as before" cmp /tmp/before /tmp/after
check "back: dpkg and apt have nothing to say" quiet
check "back: the same library as before" cmp "$library" /tmp/stock.so

# The packages for programs of evring's own, beside libev and its headers.
check "libevring-dev and evring come beside libev-dev" apt-get -qq -y install ./libevring1_*.deb ./libevring-dev_*.deb ./evring_*.deb
check "evring run: nghttpd" evring run nghttpd --version
check "libev-dev's page and ours lie side by side" sh -c 'dpkg-query -L libevring-dev | grep -q man3/ev.3evring'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
