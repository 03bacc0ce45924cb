"""Asks the stand-in for providers of models by the providers' own SDKs: `openai` for chat and embeddings, `boto3` for Bedrock's runtime.

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


def main():
    there = json.loads(sys.argv[1])
    base = f"http://127.0.0.1:{there['port']}"
    ask_openai(base, there["key"])
    ask_bedrock(base, there["access_key"], there["secret_key"])
    print(f"openai {openai.__version__} and boto3 {boto3.__version__} talk to the stand-in")


if __name__ == "__main__":
    main()
