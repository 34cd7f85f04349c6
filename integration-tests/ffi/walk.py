"""The walk in Python, over plain HTTP: `walk.py URL CHECKPOINT HEAD_ID AFTER` against a real server."""

import base64
import http.client
import json
import sys
import time
import urllib.parse

import weir


class Refused(Exception):
    """A status of gRPC's other than 0."""

    def __init__(self, fields):
        super().__init__(fields.get("grpc-message", ""))
        self.code = int(fields["grpc-status"])
        self.details = base64.b64decode(fields.get("grpc-status-details-bin", "") + "==")


class Call:
    """One call by gRPC-web: frames come from it one after the other."""

    def __init__(self, url, path, message):
        address = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        body = b"\0" + len(message).to_bytes(4, "big") + message
        headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
        self.connection.request("POST", path, body, headers)
        self.response = self.connection.getresponse()
        self.fields = {name.lower(): value for name, value in self.response.getheaders()}
        if self.response.status != 200:
            raise OSError(f"HTTP {self.response.status}")
        if self.fields.get("grpc-status", "0") != "0":
            raise Refused(self.fields)

    def whole(self, length):
        found = self.response.read(length)
        if len(found) < length:
            raise OSError("the answer is cut off")
        return found

    def message(self):
        header = self.whole(5)
        content = self.whole(int.from_bytes(header[1:], "big"))
        if header[0] == 0:
            return content
        lines = [line.partition(":") for line in content.decode().split("\r\n") if line]
        trailers = {name.strip().lower(): value.strip() for name, _, value in lines}
        if trailers.get("grpc-status") != "0":
            raise Refused(trailers)
        raise OSError("the stream ended")

    def receipt(self):
        text = self.fields.get("weir-receipt-bin")
        return text and base64.b64decode(text + "==")

    def wait(self, seconds):
        self.connection.sock.settimeout(seconds)

    def close(self):
        self.connection.close()


class Walk:
    """Does what a client says."""

    def __init__(self, client):
        self.client = client
        self.stream = None
        self.progress = []

    def run(self, task=None):
        if task is not None:
            self.client.begin(json.dumps(task))
        return self.finish()

    def finish(self):
        while True:
            step = self.client.step(int(time.monotonic() * 1000), int(time.time() * 1000))
            if step.is_done():
                return self.client.take()
            if step.is_progress():
                self.progress.append(step.epoch_counter)
                continue
            try:
                self.client.hear(step.server, *self.answer(step))
            except Refused as refused:
                self.client.hear_refusal(step.server, refused.code, str(refused), refused.details)
            except OSError as error:
                self.client.hear_nothing(step.server, str(error))

    def answer(self, step):
        if step.is_next():
            self.stream.wait(step.patience_ms / 1000)
            return self.stream.message(), None
        call = Call(self.client.servers()[step.server], step.path, step.message)
        if step.is_call():
            try:
                return call.message(), call.receipt()
            finally:
                call.close()
        self.close()
        self.stream = call
        return b"", None

    def close(self):
        if self.stream is not None:
            self.stream.close()
        self.stream = None


def fails(kind, rule, run):
    try:
        run()
    except kind as error:
        assert error.rule == rule, error
        return
    raise AssertionError(f"{kind.__name__} {rule} is due")


def main(url, checkpoint, head_id, after):
    options = {"servers": ["http://127.0.0.1:1", url], "checkpoint": checkpoint}

    def started(kept=None, **more):
        return Walk(weir.Client.start(json.dumps({**options, **more}), kept))

    walk = started()
    walk.run()
    synced = json.loads(walk.run({"task": "sync"}).value)
    assert synced["answer"]["block_id"] == head_id, synced
    assert [server["verdict"] for server in synced["servers"]] == ["silent", "agrees"], synced
    assert walk.progress, "no progress was told"
    snapshot = {"block": "latest_finalized", "topic": "snapshot"}
    epoch = json.loads(walk.run({"task": "ask", "question": snapshot, "view": "epoch"}).value)
    assert epoch["block_id"] == head_id and "views_left" in epoch, epoch
    root = json.loads(walk.run({"task": "tree_root", "block": "latest_finalized"}).value)
    assert len(root["root"]) == 64, root

    warm = started(walk.client.to_bytes())
    warm.run({"task": "sync"})
    assert json.loads(warm.client.report())["hops"] == 0
    keeping = started(keep_evidence=True, servers=[url])
    keeping.run()
    told = keeping.run({"task": "ask", "question": snapshot})
    now = weir.timing_at(int(time.time() * 1000))
    verified = weir.verify_file(checkpoint, told.evidence, now, weir.View.WHOLE)
    assert json.loads(verified) == json.loads(told.value)

    task = {"task": "next_event", "watch": {"after": int(after)}}
    events = [json.loads(warm.run(task).value) for _ in range(3)]
    assert [event["cursor"] for event in events[:2]] == [event["predecessor"] for event in events[1:]]
    fails(weir.WeirError.Usage, "Argument", lambda: warm.run({"task": "sync"}))
    warm.close()

    # A walk ends where it is told to, and the client goes on.
    walk.client.begin(json.dumps({"task": "sync"}))
    assert walk.client.step(0, int(time.time() * 1000)).is_call()
    walk.client.cancel()
    fails(weir.WeirError.Transport, "Cancelled", walk.finish)
    assert json.loads(walk.run({"task": "sync"}).value)["answer"]["block_id"] == head_id

    dead = started(servers=["http://127.0.0.1:1"])
    fails(weir.WeirError.Transport, "Unavailable", dead.run)
    fails(weir.WeirError.Usage, "Argument", lambda: started(servers=[]))
    fails(weir.WeirError.Usage, "Argument", lambda: started(servers="x"))
    fails(weir.WeirError.Usage, "Argument", lambda: walk.run({"task": "dance"}))
    print("the walk in Python passed")


main(*sys.argv[1:])
