import { ConvLayer, DenseLayer, DropoutLayer, NetworkSpec } from "../../schemas/Network.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("ConvLayer", ConvLayer)
schemaLaws("DenseLayer", DenseLayer)
schemaLaws("DropoutLayer", DropoutLayer)
schemaLaws("NetworkSpec", NetworkSpec)
