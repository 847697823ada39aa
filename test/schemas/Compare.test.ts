import { CompareParams, Metrics } from "../../schemas/Compare.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("CompareParams", CompareParams)
schemaLaws("Metrics", Metrics)
