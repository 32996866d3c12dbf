#!/bin/sh
# The browser tests need Chromium; where it cannot be installed they skip and say so.
command -v chromium >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "== installing chromium for the browser tests"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 \
    || echo "chromium could not be installed: the browser tests will be skipped"
else
  echo "no chromium on this machine: the browser tests will be skipped (install it to run them)"
fi
exit 0
