# Sourced by the set-up scripts: apt with its own lists and caches, reading Debian trixie, so that packages
# newer than this machine's release can be unpacked (never installed) without touching the system.
# Usage: . private_apt.sh; private_apt_init FOLDER; then: apt-get update, apt-get download, ...

private_apt_init() {
    apt_root=$1
    mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
    mkdir -p "$apt_root/state/lists/partial" "$apt_root/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" \
        > "$apt_root/sources.list"
    cat > "$apt_root/apt.conf" <<CONF
Dir::State "$apt_root/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt_root/cache";
Dir::Etc::sourcelist "$apt_root/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "amd64";
APT::Sandbox::User "root";
CONF
    APT_CONFIG=$apt_root/apt.conf
    export APT_CONFIG
}
