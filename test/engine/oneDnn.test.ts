/** Finding oneDNN, and fetching it without root: with a stand-in for apt and dpkg that unpacks a fake package. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import * as OneDnn from "../../engine/native/OneDnn.ts"

let folder = ""
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "op-pipe-onednn-test-"))
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu"

const place = (prefix: string, version: string): void => {
  const include = path.join(prefix, "include", "oneapi", "dnnl")
  fs.mkdirSync(include, { recursive: true })
  const [major, minor, patch] = version.split(".")
  const lines = [
    `#define DNNL_VERSION_MAJOR ${major}`,
    `#define DNNL_VERSION_MINOR ${minor}`,
    `#define DNNL_VERSION_PATCH ${patch}`
  ]
  fs.writeFileSync(path.join(include, "dnnl_version.h"), lines.join("\n"))
  fs.mkdirSync(path.join(prefix, "lib", triplet), { recursive: true })
  fs.writeFileSync(
    path.join(prefix, "lib", triplet, process.platform === "darwin" ? "libdnnl.dylib" : "libdnnl.so"),
    ""
  )
}

describe("OneDnn.find", () => {
  test("takes the one in the engine's own folder first, with its version and every folder to load from", () => {
    place(path.join(folder, "onednn", "usr"), "3.5.1")
    const found = OneDnn.find(folder)
    expect(found?.version).toBe("3.5.1")
    expect(found?.library).toContain(path.join(folder, "onednn"))
    expect(found?.folders).toContain(path.join(folder, "onednn", "usr", "lib", triplet))
  })

  test("headers without a library are not enough", () => {
    const prefix = path.join(folder, "onednn", "usr")
    place(prefix, "3.5.1")
    fs.rmSync(path.join(prefix, "lib"), { recursive: true })
    expect(OneDnn.find(folder)?.version).not.toBe("3.5.1")
  })
})
