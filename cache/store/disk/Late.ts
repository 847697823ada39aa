/**
 * Late: what Node loads long for, loaded when it is first used. A run that is up to date starts no program and waits for no lock, and
 * Node's network, which both bring along, took a twentieth of it.
 */

export const childProcess = (): typeof import("node:child_process") => process.getBuiltinModule("node:child_process")

export const net = (): typeof import("node:net") => process.getBuiltinModule("node:net")
