// Asks a model server over gRPC: status, metadata, prediction and an error, printed as one JSON object.
//
//     node client.js DESCRIPTOR_SET HOST:PORT MODEL
"use strict";
const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [descriptors, address, model] = process.argv.slice(2);
const definition = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(descriptors), {
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
});
const { serving } = grpc.loadPackageDefinition(definition).tensorflow;
const credentials = grpc.credentials.createInsecure();
const predictions = new serving.PredictionService(address, credentials);
const models = new serving.ModelService(address, credentials);

function ask(client, method, request) {
  return new Promise((resolve) => {
    const deadline = Date.now() + 20000;
    client[method](request, { deadline }, (error, response) =>
      resolve(error ? { code: error.code, details: error.details } : response)
    );
  });
}

async function main() {
  const model_spec = { name: model };
  // A map in a descriptor set is to proto-loader what it is on the wire: a list of entries.
  const tensor = { dtype: "DT_FLOAT", tensor_shape: { dim: [{ size: 2 }] }, float_val: [2, 3] };
  const inputs = [{ key: "x", value: tensor }];
  const metadata = await ask(predictions, "GetModelMetadata", {
    model_spec,
    metadata_field: ["signature_def"],
  });
  return {
    status: await ask(models, "GetModelStatus", { model_spec }),
    metadata,
    prediction: await ask(predictions, "Predict", { model_spec, inputs }),
    error: await ask(predictions, "Predict", { model_spec: { name: "none" }, inputs }),
  };
}

main().then(
  (answers) => process.stdout.write(JSON.stringify(answers), () => process.exit(0)),
  (error) => process.stderr.write(String(error.stack), () => process.exit(1))
);
