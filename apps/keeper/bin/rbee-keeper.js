#!/usr/bin/env node
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
