"""Asks the stand-in for providers of models by the providers' own SDKs: `openai` for chat and embeddings, `boto3` for the
runtimes of Bedrock and SageMaker.

The first argument is the line of JSON that the stand-in prints: where it listens, and which keys it knows. What the SDKs would not read, or what they
send and the stand-in would not take, ends this with an error.
"""

import json
import sys

import boto3
import openai
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"type": "string", "enum": ["bug", "other"]}},
    "required": ["kind"],
    "additionalProperties": False,
}


def ask_openai(base, key):
    client = openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0)
    user = {"role": "user", "content": "one two"}
    answer = client.chat.completions.create(model="m", messages=[user], max_completion_tokens=3)
    assert answer.choices[0].message.content == "you said: one", answer
    assert answer.choices[0].finish_reason == "length" and answer.usage.prompt_tokens == 2, answer
    tool = {"type": "function", "function": {"name": "find", "description": "finds", "parameters": SCHEMA}}
    asked = client.chat.completions.create(model="m", messages=[user], tools=[tool], tool_choice="required").choices[0]
    call = asked.message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"kind": "other"} and asked.finish_reason == "tool_calls", asked
    result = {"role": "tool", "tool_call_id": call.id, "content": "found"}
    shape = {"type": "json_schema", "json_schema": {"name": "out", "schema": SCHEMA, "strict": True}}
    messages = [user, asked.message, result]
    shaped = client.chat.completions.create(model="m", messages=messages, tools=[tool], response_format=shape)
    assert json.loads(shaped.choices[0].message.content) == {"kind": "other"}, shaped
    vectors = client.embeddings.create(model="m", input=["a", "bb"], encoding_format="float").data
    assert [vector.index for vector in sorted(vectors, key=lambda it: it.index)] == [0, 1], vectors
    usage = {"include_usage": True}
    pieces = list(client.chat.completions.create(model="m", messages=[user], stream=True, stream_options=usage))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == "you said: one two" and pieces[-1].usage.prompt_tokens == 2, pieces
    with client.chat.completions.stream(model="m", messages=[user], tools=[tool]) as stream:
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"kind": "other"}, call
    for text, expected in [("cut", Exception), ("fail late", openai.APIError)]:
        try:
            list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], stream=True))
            raise SystemExit(f"{text} came to its end")
        except expected:
            pass
    for text, expected in [("fail:429", openai.RateLimitError), ("fail:503", openai.InternalServerError)]:
        try:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
            raise SystemExit(f"{text} was answered")
        except expected:
            pass
    try:
        openai.OpenAI(base_url=f"{base}/v1", api_key="wrong", max_retries=0).embeddings.create(model="m", input="a")
        raise SystemExit("a wrong key was taken")
    except openai.AuthenticationError:
        pass


def bedrock(base, access_key, secret_key):
    return boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=base,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"max_attempts": 0}),
    )


def ask_bedrock(base, access_key, secret_key):
    client = bedrock(base, access_key, secret_key)
    model = "eu.anthropic.claude-x-20260101-v1:0"
    user = {"role": "user", "content": [{"text": "one two"}]}
    answer = client.converse(modelId=model, messages=[user], inferenceConfig={"maxTokens": 3, "temperature": 0.5})
    assert answer["output"]["message"]["content"] == [{"text": "you said: one"}], answer
    assert answer["stopReason"] == "max_tokens" and answer["usage"]["inputTokens"] == 2, answer
    tools = {"tools": [{"toolSpec": {"name": "find", "inputSchema": {"json": SCHEMA}}}], "toolChoice": {"any": {}}}
    asked = client.converse(modelId=model, messages=[user], toolConfig=tools)
    call = asked["output"]["message"]["content"][0]["toolUse"]
    assert call["input"] == {"kind": "other"} and asked["stopReason"] == "tool_use", asked
    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "found"}]}}
    messages = [user, asked["output"]["message"], {"role": "user", "content": [result]}]
    shape = {"type": "json_schema", "structure": {"jsonSchema": {"name": "out", "schema": json.dumps(SCHEMA)}}}
    shaped = client.converse(modelId=model, messages=messages, toolConfig=tools, outputConfig={"textFormat": shape})
    assert json.loads(shaped["output"]["message"]["content"][0]["text"]) == {"kind": "other"}, shaped
    image = {"image": {"format": "png", "source": {"bytes": b"\x01\x02"}}}
    said = client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "echo"}, image]}])
    assert said["output"]["message"]["content"][0]["text"], said
    events = list(client.converse_stream(modelId=model, messages=[user])["stream"])
    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert text == "you said: one two" and events[-1]["metadata"]["usage"]["inputTokens"] == 2, events
    events = list(client.converse_stream(modelId=model, messages=[user], toolConfig=tools)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas)) == {"kind": "other"}, events
    late = [{"role": "user", "content": [{"text": "fail late"}]}]
    try:
        list(client.converse_stream(modelId=model, messages=late)["stream"])
        raise SystemExit("fail late came to its end")
    except EventStreamError as error:
        assert error.response["Error"]["Code"] == "modelStreamErrorException", error.response
    count = client.count_tokens(modelId=model, input={"converse": {"messages": [user]}})
    assert count["inputTokens"] == 2, count
    body = json.dumps({"inputText": "one two", "dimensions": 256})
    vector = json.loads(client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)["body"].read())
    assert len(vector["embedding"]) == 256 and vector["inputTextTokenCount"] == 2, vector
    body = json.dumps({"texts": ["one two", "three"], "input_type": "search_document"})
    answer = client.invoke_model(modelId="cohere.embed-multilingual-v3", body=body)
    vectors = json.loads(answer["body"].read())["embeddings"]
    assert [len(vector) for vector in vectors] == [1024, 1024], vectors
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"] == "3", answer
    for text, expected in [("fail:429", "ThrottlingException"), ("fail:400", "ValidationException")]:
        try:
            client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": text}]}])
            raise SystemExit(f"{text} was answered")
        except ClientError as error:
            assert error.response["Error"]["Code"] == expected, error.response
    try:
        bedrock(base, access_key, "wrong").converse(modelId=model, messages=[user])
        raise SystemExit("a wrong signature was taken")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidSignatureException", error.response


def sagemaker(base, access_key, secret_key):
    return boto3.client(
        "sagemaker-runtime",
        region_name="eu-central-1",
        endpoint_url=base,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"max_attempts": 0}),
    )


def ask_sagemaker(base, access_key, secret_key):
    client = sagemaker(base, access_key, secret_key)

    def asked(text, **more):
        body = json.dumps({"messages": [{"role": "user", "content": text}], **more})
        return {"EndpointName": "llama-3", "ContentType": "application/json", "Body": body}

    answer = json.loads(client.invoke_endpoint(**asked("one two", max_tokens=3))["Body"].read())
    assert answer["choices"][0]["message"]["content"] == "you said: one" and answer["usage"]["prompt_tokens"] == 2, answer
    body = json.dumps({"input": ["a", "bb"]})
    answer = client.invoke_endpoint(EndpointName="vectors", ContentType="application/json", Body=body)
    assert len(json.loads(answer["Body"].read())["data"]) == 2, answer
    more = {"stream": True, "stream_options": {"include_usage": True}}
    events = list(client.invoke_endpoint_with_response_stream(**asked("one two", **more))["Body"])
    said = b"".join(event["PayloadPart"]["Bytes"] for event in events).decode()
    chunks = [line.removeprefix("data: ") for line in said.split("\n\n") if line]
    assert chunks.pop() == "[DONE]" and json.loads(chunks[-1])["usage"]["prompt_tokens"] == 2, said
    deltas = [json.loads(chunk)["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1]]
    assert "".join(deltas) == "you said: one two", said
    try:
        list(client.invoke_endpoint_with_response_stream(**asked("fail late", **more))["Body"])
        raise SystemExit("fail late came to its end")
    except EventStreamError as error:
        assert error.response["Error"]["Code"] == "ModelStreamError", error.response
    try:
        client.invoke_endpoint(**asked("fail:503"))
        raise SystemExit("fail:503 was answered")
    except client.exceptions.ModelError as error:
        assert error.response["OriginalStatusCode"] == 503 and error.response["OriginalMessage"], error.response
    rows = client.invoke_endpoint(EndpointName="xgb", ContentType="text/csv", Body="1,2.5\n3,4")
    assert rows["ContentType"] == "text/csv" and rows["Body"].read() == b"3.5\n7\n", rows
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2.5, 3, 4]}
    body = json.dumps({"inputs": [tensor]})
    sums = client.invoke_endpoint(EndpointName="triton", ContentType="application/json", Body=body)["Body"].read()
    assert json.loads(sums)["outputs"][0]["data"] == [3.5, 7.0], sums
    for name, expected in [("gone", "ValidationError"), ("busy", "ThrottlingException")]:
        try:
            client.invoke_endpoint(**{**asked("one"), "EndpointName": name})
            raise SystemExit(f"the endpoint {name} answered")
        except ClientError as error:
            assert error.response["Error"]["Code"] == expected, error.response
    try:
        sagemaker(base, access_key, "wrong").invoke_endpoint(**asked("one"))
        raise SystemExit("a wrong signature was taken")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidSignatureException", error.response


def main():
    there = json.loads(sys.argv[1])
    base = f"http://127.0.0.1:{there['port']}"
    ask_openai(base, there["key"])
    ask_bedrock(base, there["access_key"], there["secret_key"])
    ask_sagemaker(base, there["access_key"], there["secret_key"])
    print(f"openai {openai.__version__} and boto3 {boto3.__version__} talk to the stand-in")


if __name__ == "__main__":
    main()
