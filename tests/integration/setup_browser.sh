#!/bin/sh
# Sets up the browser transport on Debian (as root): Chromium and Node.js, then the npm packages into the cache
# folder. PYTHON (default python3) must have fer-deploy installed.
set -eu
command -v chromium > /dev/null || DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends chromium
command -v npm > /dev/null || DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends nodejs npm
"${PYTHON:-python3}" -m fer_deploy build-runner --arch browser
