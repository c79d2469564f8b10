"""The OpenAI surface: the official client, against llama.cpp's own server with a real model and against a scripted upstream."""
import importlib.metadata
import json
import os
import time

import openai

from harness import Gateway, Place, Test, deployment, make_token, prepared, used
from upstreams import LlamaServer, ScriptedUpstream

HELLO = [{"role": "user", "content": "Say hello."}]
UPSTREAM_KEY = "sk-the-upstream-only"


def say(script: str) -> list[dict]:
    return [{"role": "user", "content": "script:" + script}]


class OpenAI(Test):
    @classmethod
    def setUpClass(cls):
        cls.scripted = ScriptedUpstream()
        cls.place = Place(copy_of=prepared())
        cls.llama = LlamaServer(cls.place.folder / "llama.log")
        for name, port in (("scripted", cls.scripted.port), ("smollm2", cls.llama.port), ("down", 1)):
            deployment(cls.place, name, upstream={"url": f"http://127.0.0.1:{port}", "credential": "env:UPSTREAM_KEY", "idle_timeout": "2s", "first_byte_timeout": "120s"})
        cls.gateway = Gateway(cls.place, env=os.environ | {"UPSTREAM_KEY": UPSTREAM_KEY})
        cls.token = cls.place.tokens["client"]
        cls.client = cls.client_with(cls.token)
        used["openai"] = importlib.metadata.version("openai")
        used["llama.cpp's server with SmolLM2-135M (xllamacpp)"] = importlib.metadata.version("xllamacpp")

    @classmethod
    def client_with(cls, token: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"http://127.0.0.1:{cls.gateway.port}/v1", api_key=token, max_retries=0, timeout=120)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.gateway.stop()
        cls.llama.stop()
        cls.scripted.stop()
        cls.place.remove()

    # ------------------------------------------------------------------------------------------- a real language model

    def test_a_real_model_chats(self):
        answer = self.client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=24, temperature=0)
        self.assertIn("ello", answer.choices[0].message.content)
        self.assertGreater(answer.usage.completion_tokens, 0)

    def test_a_real_model_streams_the_same_words(self):
        whole = self.client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=24, temperature=0, seed=1)
        parts = [chunk.choices[0].delta.content or "" for chunk in
                 self.client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=24, temperature=0, seed=1, stream=True) if chunk.choices]
        self.assertGreater(len(parts), 3)
        self.assertEqual("".join(parts), whole.choices[0].message.content)

    def test_a_real_model_completes_a_prompt(self):
        answer = self.client.completions.create(model="smollm2", prompt="The capital of France is", max_tokens=8, temperature=0)
        self.assertIn("Paris", answer.choices[0].text)

    def test_the_client_can_leave_a_stream_in_the_middle(self):
        for _ in range(3):
            stream = self.client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=200, stream=True)
            next(iter(stream))
            stream.close()
        self.test_a_real_model_chats()

    # --------------------------------------------------------------------------------------------------- the protocol

    def test_models_lists_what_the_token_may_use(self):
        self.assertLessEqual({"scripted", "smollm2"}, {model.id for model in self.client.models.list()})
        narrow = self.client_with(make_token(self.place, "narrow", "production", "infer:scr*", "read:scr*"))
        self.gateway.wait_until(lambda: self.names(narrow) == {"scripted"}, what="a narrow token to see one model")

    @staticmethod
    def names(client) -> set[str]:
        try:
            return {model.id for model in client.models.list()}
        except openai.AuthenticationError:
            return set()

    def test_completions_and_embeddings_pass(self):
        self.assertEqual(self.client.completions.create(model="scripted", prompt="x").choices[0].text, "Hello")
        self.assertEqual(self.client.embeddings.create(model="scripted", input="x", encoding_format="float").data[0].embedding, [0.25, -0.5, 0.75])

    def test_the_upstream_gets_its_own_credential_and_never_the_callers(self):
        self.scripted.requests.clear()
        self.client.chat.completions.create(model="scripted", messages=HELLO, extra_headers={"Cookie": "session=1", "X-Api-Key": "mine", "X-Forwarded-For": "10.0.0.1"})
        _, path, headers, body = self.scripted.requests[-1]
        self.assertEqual(path, "/v1/chat/completions")
        self.assertEqual(headers["authorization"], f"Bearer {UPSTREAM_KEY}")
        self.assertNotIn(self.token, json.dumps(headers) + body.decode())
        self.assertNotIn("cookie", headers)
        self.assertNotIn("x-api-key", headers)

    def test_traceparent_goes_through_as_a_child(self):
        self.scripted.requests.clear()
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        self.client.chat.completions.create(model="scripted", messages=HELLO, extra_headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        sent = self.scripted.requests[-1][2]["traceparent"]
        self.assertRegex(sent, rf"^00-{trace}-[0-9a-f]{{16}}-01$")
        self.assertNotIn("00f067aa0ba902b7", sent)
        self.client.chat.completions.create(model="scripted", messages=HELLO, extra_headers={"traceparent": "00-zz-1-01"})
        self.assertRegex(self.scripted.requests[-1][2]["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")

    def test_errors_have_the_classes_of_the_official_client(self):
        with self.assertRaises(openai.AuthenticationError):
            self.client_with("hbk_prd_aaaaaaaaaaaa_bbbb_cccc").chat.completions.create(model="scripted", messages=HELLO)
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="no-such-model", messages=HELLO)
        with self.assertRaises(openai.BadRequestError):
            self.client.chat.completions.create(model="scripted", messages="no list")  # type: ignore[arg-type]
        with self.assertRaises(openai.BadRequestError):
            self.client.chat.completions.create(model="scripted", messages=[{"role": "emperor", "content": 7}])  # type: ignore[list-item]
        for one in (openai.AuthenticationError, openai.NotFoundError, openai.BadRequestError):
            self.assertTrue(issubclass(one, openai.APIStatusError))

    def test_an_error_has_the_body_of_the_surface(self):
        status, headers, body = self.gateway.request("POST", "/v1/chat/completions", {"model": "no-such-model", "messages": HELLO}, self.token)
        self.assertEqual(status, 404)
        self.assertLessEqual({"message", "type", "code"}, set(json.loads(body)["error"]))
        self.assertTrue(headers.get("x-request-id"))

    def test_a_narrow_token_may_not_use_another_deployment(self):
        narrow = self.client_with(make_token(self.place, "narrow2", "production", "infer:smollm2"))
        def ask():
            try:
                narrow.chat.completions.create(model="scripted", messages=HELLO)
            except openai.APIStatusError as error:
                return error.status_code
        self.gateway.wait_until(lambda: ask() == 403, what="403")

    # -------------------------------------------------------------------------------------------- an upstream at fault

    def stream(self, script: str) -> str:
        chunks = self.client.chat.completions.create(model="scripted", messages=say(script), stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    def test_streams_of_every_spelling_arrive_whole(self):
        for script in ("fine", "crlf", "cr", "comments", "slow", "no_done"):
            with self.subTest(script):
                self.assertEqual(self.stream(script), "One two three four five.")

    def test_a_stream_that_breaks_is_not_passed_off_as_whole(self):
        for script in ("reset", "cut", "stall", "words", "error"):
            with self.subTest(script):
                with self.assertRaises((openai.APIError, openai.APIConnectionError)) as caught:
                    self.stream(script)
                self.assertNotIn("secret", str(caught.exception))

    def test_answers_carry_the_name_that_was_asked_for(self):
        settings = {"upstream": {"url": f"http://127.0.0.1:{self.scripted.port}", "credential": "env:UPSTREAM_KEY", "model": "theirs"}}
        place = self.make(copy_of=self.place)
        deployment(place, "ours", **settings)
        with self.serve(place, env=os.environ | {"UPSTREAM_KEY": UPSTREAM_KEY}) as gateway:
            def ask(path: str, **body):
                return gateway.request("POST", "/v1/" + path, {"model": "ours"} | body, self.token)[2]
            for path, body in (("chat/completions", {"messages": HELLO}), ("completions", {"prompt": "x"}), ("embeddings", {"input": "x"})):
                self.assertEqual(json.loads(ask(path, **body))["model"], "ours", path)
                self.assertEqual(json.loads(self.scripted.requests[-1][3])["model"], "theirs")
            told = ask("chat/completions", messages=HELLO, stream=True)
            self.assertIn(b'"ours"', told)
            self.assertNotIn(b"scripted", told)

    def test_a_request_has_a_total(self):
        place = self.make(copy_of=self.place)
        place.config["limits"] = {"total_timeout": "1s"}
        place.write_config()
        with self.serve(place, env=os.environ | {"UPSTREAM_KEY": UPSTREAM_KEY}) as gateway:
            def ask(script: str, stream: bool):
                began = time.monotonic()
                answer = gateway.request("POST", "/v1/chat/completions", {"model": "scripted", "messages": say(script), "stream": stream}, self.token)
                self.assertLess(time.monotonic() - began, 10)
                return answer
            self.assertEqual(ask("hang", False)[0], 504)
            status, _, body = ask("drip", True)
            self.assertEqual(status, 200)
            self.assertIn(b"drop", body)
            self.assertIn(b"upstream_cut", body)
            self.assertEqual(ask("fine", False)[0], 200)

    def test_an_upstream_at_fault_is_a_bad_gateway_without_its_internals(self):
        for script in ("close", "reset_at_once", "not_http", "both_lengths", "short_body", "huge_head", "not_json", "half_json", "error_as_success", "failure", "refused"):
            with self.subTest(script):
                with self.assertRaises(openai.APIStatusError) as caught:
                    self.client.chat.completions.create(model="scripted", messages=say(script))
                self.assertIn(caught.exception.status_code, (500, 502, 503), caught.exception)
                self.assertNotRegex(caught.exception.response.text, "Traceback|secret|sk-upstream|127.0.0.1|SSH")

    def test_a_busy_upstream_is_passed_on_as_busy(self):
        with self.assertRaises(openai.APIStatusError) as caught:
            self.client.chat.completions.create(model="scripted", messages=say("busy"))
        self.assertIn(caught.exception.status_code, (429, 503))

    def test_an_upstream_that_is_down_is_unavailable(self):
        with self.assertRaises(openai.APIStatusError) as caught:
            self.client.chat.completions.create(model="down", messages=HELLO)
        self.assertIn(caught.exception.status_code, (502, 503))
        self.assertNotIn("127.0.0.1", caught.exception.response.text)
        self.assertEqual(self.client.chat.completions.create(model="scripted", messages=HELLO).choices[0].message.content, "Hello from the script.")

    def test_payloads_are_neither_in_the_ledger_nor_in_the_log(self):
        marker = "quetzalcoatl-93712"
        self.client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": marker}])
        self.gateway.request("POST", "/v1/chat/completions", f'{{"model": "scripted", "messages": "{marker}"}}', self.token)
        told = self.expect(self.place.hauberk("ledger", "export", "--environment", "production", "--chain", "gateway")).out
        self.assertNotIn(marker, told)
        self.assertNotIn(marker, self.gateway.log)
        self.assertNotIn(self.token, told + self.gateway.log)
        self.assertNotIn(UPSTREAM_KEY, told + self.gateway.log)
