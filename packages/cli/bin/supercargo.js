#!/usr/bin/env node
/** The command as npm installs it. */
import '../src/start.ts'
