/**
 * Entries are protocol buffers of Bazel's: the samples below were encoded by protoc 3.21 out of remote_execution.proto, from the
 * text beside them.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { describe, expect, it } from "vitest"
import type * as Digest from "../../../cache/identity/Digest.ts"
import { decode, encode } from "../../../cache/remote/format/ActionResult.ts"

const a = "a".repeat(64) as Digest.Digest
const b = "b".repeat(64) as Digest.Digest
const entry = {
  files: [
    { path: `blobs/${a}`, digest: a, sizeBytes: 300 },
    { path: "packs/1/0", digest: b, sizeBytes: 5_000_000_000 }
  ],
  stdout: Buffer.from('{"r":1}'),
  stderr: Buffer.from("ed25519:x y"),
  worker: "op-pipe"
}
/**
 * `output_files { path: "blobs/aa.." digest { hash: "aa.." size_bytes: 300 } } output_files { path: "packs/1/0" digest { hash:
 * "bb.." size_bytes: 5000000000 } } stdout_raw: "{\"r\":1}" stderr_raw: "ed25519:x y" execution_metadata { worker: "op-pipe" }`
 */
const ours =
  "128f010a46626c6f62732f6161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616112450a406161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616110ac0212550a097061636b732f312f3012480a40626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262621080e497d0122a077b2272223a317d3a0b656432353531393a7820794a090a076f702d70697065"
/**
 * `output_files { path: "packs/1/0" digest { hash: "bb.." } is_executable: true contents: "zz" } output_directories { path: "d" }
 * exit_code: 3 stdout_raw: "r" stdout_digest { hash: "q" size_bytes: 1 } execution_metadata { worker: "w" queued_timestamp {
 * seconds: 99 nanos: 5 } }`
 */
const others =
  "12550a097061636b732f312f3012420a406262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626262626220012a027a7a1a030a016420032a017232050a017110014a090a0177120408631005"

const hasProtoc = spawnSync("protoc", ["--version"]).status === 0

describe("an entry", () => {
  it("is written as protoc writes it", () => {
    expect(Buffer.from(encode(entry)).toString("hex")).toBe(ours)
  })

  it.runIf(hasProtoc)("is read by protoc", () => {
    const text = execFileSync("protoc", ["--decode_raw"], { input: encode(entry), encoding: "utf8" })
    expect(text).toContain(`1: "blobs/${a}"`)
    expect(text).toContain("2: 5000000000")
  })

  it("is read back", () => {
    expect(decode(Buffer.from(ours, "hex"))).toEqual(entry)
  })

  it("is read with fields that are not ours, and without those that are empty", () => {
    expect(decode(Buffer.from(others, "hex"))).toEqual({
      files: [{ path: "packs/1/0", digest: b, sizeBytes: 0 }],
      stdout: Buffer.from("r"),
      stderr: new Uint8Array(),
      worker: "w"
    })
  })

  it("is nothing when it is cut, and never throws", () => {
    const whole = Buffer.from(ours, "hex")
    for (let length = 0; length < whole.length; length++) {
      const read = decode(whole.subarray(0, length))
      expect(read === undefined || read.worker === "").toBe(true)
    }
    for (const bytes of ["ff", "0a", "12ffffffffffffffffff01", "128080808080808080808001", "0b", "<html></html>"])
      expect(decode(Buffer.from(bytes, bytes.startsWith("<") ? "utf8" : "hex"))).toBeUndefined()
  })
})
