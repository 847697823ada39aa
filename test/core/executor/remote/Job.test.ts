/** What a job is called, by which the scheduler does one at a time. */
import { expect, it } from "vitest"
import * as Digest from "../../../../cache/identity/Digest.ts"
import * as Layout from "../../../../cache/store/Layout.ts"
import * as Job from "../../../../core/executor/remote/Job.ts"

it("a key's jobs have one name in a store, and wait for none of another store", () => {
  const key = Digest.ofText("key")
  const [one, other] = [Layout.make("/data/one"), Layout.make("/data/other")]
  expect(Job.nameOf(one, key)).toBe(Job.nameOf(Layout.make("/data/one/"), key))
  expect(Job.nameOf(one, key)).not.toBe(Job.nameOf(other, key))
  expect(Job.nameOf(one, key)).not.toBe(Job.nameOf(one, Digest.ofText("another key")))
  expect(Job.nameOf(one, key)).toMatch(/^op-pipe-[0-9a-f]{16}-[0-9a-f]{8}$/u)
})
