/**
 * Late: what Node loads long for, loaded when it is first used. A run that is up to date starts no program and waits for no lock;
 * both bring Node's network along, 18 of the 66 modules of Node's that it loaded.
 */

export const childProcess = (): typeof import("node:child_process") => process.getBuiltinModule("node:child_process")

export const net = (): typeof import("node:net") => process.getBuiltinModule("node:net")
