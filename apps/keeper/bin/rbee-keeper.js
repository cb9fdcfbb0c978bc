#!/bin/sh
':' /*
# A shell script that runs itself with Node.js, which takes this for a comment. The shell says whether SIGHUP is ignored,
# as nohup asks for: Node.js sets all signals back when it starts, and cannot tell afterwards.
if [ -r /proc/self/status ]; then
  while read -r name value; do
    case $name$value in
      SigIgn:*[13579bdf]) export RBEE_KEEPER_HANGUP_IGNORED=1 && break ;;
      SigIgn:*) break ;;
    esac
  done < /proc/self/status
elif (sh -c 'kill -HUP $$') 2> /dev/null; then
  export RBEE_KEEPER_HANGUP_IGNORED=1
fi
exec node "$0" "$@"
*/;
// Runs the two files of scripts/bundle-keeper.mjs where they are there and as new as the build, else the build itself.
// CommonJS, as they are: it starts sooner than an ES module.
const fs = require('node:fs');
const module_ = require('node:module');
const path = require('node:path');

const timeOf = (file) => fs.statSync(path.join(__dirname, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;

module_.enableCompileCache?.();
const bundled = timeOf('../dist/quick.cjs');
if (bundled > 0 && bundled >= timeOf('../tsconfig.tsbuildinfo')) require('../dist/quick.cjs');
else void import('../dist/main.js');
