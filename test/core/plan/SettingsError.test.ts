/** What is told of a name that is nothing, or fills the screen. */
import { expect, it } from "vitest"
import { SettingsError, unknownName } from "../../../core/plan/SettingsError.ts"

it("shows nothing as what it is", () => {
  expect(unknownName("--only ", "steps", ["abc"], "").message).toBe(
    '--only "": expected one of the steps abc, but found ""'
  )
  expect(new SettingsError({ asked: "--set ", expected: "step.parameter=value", actual: "" }).message).toBe(
    '--set "": expected step.parameter=value, but found ""'
  )
})

it("shows the beginning of what is too long to read", () => {
  const text = "a".repeat(100_000)
  const { message } = unknownName(`--only ${text}`, "steps", ["b"], text)
  const shown = `${"a".repeat(60)}... (100000 characters)`
  expect(message).toContain(`--only ${shown}: expected one of the steps b, but found`)
  expect(message.length).toBeLessThan(300)
  const path = `/${"p/".repeat(2000)}`
  expect(unknownName(`--file ${path}`, "steps", ["b"], path).message).toContain(`--file ${path}: `)
})
