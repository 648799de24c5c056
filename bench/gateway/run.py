#!/usr/bin/env python3
"""Runs the gateway bench: starts the mock and each proxy, loads them, writes one JSON of results.

Everything stays on 127.0.0.1. Peers live in the ignored folder .peers (see README.md); one that
is not installed is skipped. Only processes started here are ended, each by its own pid.
"""
import argparse, json, os, shutil, signal, subprocess, sys, tempfile, time
import socket
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".peers"
TOOLS = HERE / "harness" / "target" / "release"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
GATEWAY = TARGET / "release" / "examples" / "gateway-bench"
MOCK_PORT, PROXY_PORT = 19001, 19100
KEY = "upstream-key"
TICK = os.sysconf("SC_CLK_TCK")
HAVE_TASKSET = shutil.which("taskset") is not None


def tree(pid):
    """The process and all that it started."""
    out = [pid]
    try:
        for t in os.listdir(f"/proc/{pid}/task"):
            for c in Path(f"/proc/{pid}/task/{t}/children").read_text().split():
                out += tree(int(c))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return out


def usage(pid):
    """CPU seconds, summed peak RSS and summed proportional RSS (MiB) of a process tree."""
    cpu = hwm = pss = 0.0
    for p in tree(pid):
        try:
            f = Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            cpu += (int(f[11]) + int(f[12])) / TICK
            for line in Path(f"/proc/{p}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    hwm += int(line.split()[1]) / 1024
            for line in Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    pss += int(line.split()[1]) / 1024
        except (FileNotFoundError, ProcessLookupError):
            pass
    return {"cpu_s": cpu, "peak_rss_mib": hwm, "pss_mib": pss, "processes": len(tree(pid))}


def start(cmd, log, cpus, env=None):
    if cpus and HAVE_TASKSET:
        cmd = ["taskset", "-c", cpus] + cmd
    return subprocess.Popen([str(c) for c in cmd], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                            env={**os.environ, **(env or {})}, start_new_session=True, cwd=HERE)


def stop(p):
    pids = tree(p.pid)
    p.send_signal(signal.SIGTERM)
    try:
        p.wait(8)
    except subprocess.TimeoutExpired:
        pass
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    p.wait(5)


def await_port(port, proc, seconds):
    end = time.time() + seconds
    while time.time() < end:
        if proc.poll() is not None:
            raise RuntimeError(f"ended at once, exit {proc.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port}")


def peers(work):
    """name -> (command, environment, path, headers, note). `work` holds generated configs."""
    up = f"http://127.0.0.1:{MOCK_PORT}"
    out = {"relay": ([TOOLS / "relay", "--listen", f"127.0.0.1:{PROXY_PORT}", "--upstream", f"127.0.0.1:{MOCK_PORT}", "--key", KEY],
                     {}, "/v1/messages", [], "our bare hyper relay, 1 thread, parses nothing")}
    for n in (1, 2):
        conf = work / f"nginx{n}.conf"
        conf.write_text(f"""
daemon off; worker_processes {n}; pid {work}/nginx{n}.pid; error_log stderr error;
events {{ worker_connections 2048; }}
http {{ access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
 uwsgi_temp_path {work}/u; scgi_temp_path {work}/s; client_max_body_size 32m; client_body_buffer_size 1m;
 keepalive_requests 1000000;
 upstream mock {{ server 127.0.0.1:{MOCK_PORT}; keepalive 128; keepalive_requests 1000000; }}
 server {{ listen 127.0.0.1:{PROXY_PORT}; location / {{ proxy_pass http://mock; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_set_header x-api-key {KEY}; proxy_buffering off; }} }} }}
""")
        out["nginx" if n == 1 else "nginx-2w"] = (["nginx", "-p", work, "-c", conf], {}, "/v1/messages", [],
            f"{n} worker(s), keep-alive both sides, proxy_buffering off, key set by header")
    lite = PEERS / "litellm" / "bin" / "litellm"
    conf = work / "litellm.yaml"
    conf.write_text(f"""
model_list:
  - model_name: claude-bench
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{up}", api_key: {KEY}}}
general_settings: {{master_key: sk-bench}}
litellm_settings: {{telemetry: false}}
""")
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION",
           "ANTHROPIC_API_BASE": up, "ANTHROPIC_API_KEY": KEY, "NO_PROXY": "127.0.0.1"}
    for name, n, path in (("litellm", 1, "/v1/messages"), ("litellm-pass", 1, "/anthropic/v1/messages"), ("litellm-2w", 2, "/v1/messages")):
        if lite.exists():
            out[name] = ([lite, "--config", conf, "--host", "127.0.0.1", "--port", PROXY_PORT, "--num_workers", n], env, path,
                         ["authorization=Bearer sk-bench"], f"{n} worker(s), master key, no database")
    js = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if js.exists():
        out["portkey"] = (["node", js, "--headless", f"--port={PROXY_PORT}"], {"NODE_ENV": "production"}, "/v1/messages",
                          ["x-portkey-provider=anthropic", f"x-portkey-custom-host={up}/v1", f"authorization=Bearer {KEY}", f"x-api-key={KEY}"],
                          "node, 1 process, headless; the caller carries the provider key (no key store)")
    anyllm = PEERS / "anyllm-target" / "release" / "anyllm-proxy"
    if anyllm.exists():
        out["anyllm"] = ([anyllm], {"BACKEND": "anthropic", "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": up, "LISTEN_PORT": str(PROXY_PORT),
                         "PROXY_API_KEYS": "sk-bench-0123456789", "DISABLE_ADMIN": "true", "RUST_LOG": "error", "HOME": str(work)}, "/v1/messages",
                         ["x-api-key=sk-bench-0123456789"], "Rust; its refusal of loopback upstreams patched out in our copy")
    if GATEWAY.exists():
        out["strawboss"] = ([GATEWAY, "--listen", f"127.0.0.1:{PROXY_PORT}", "--upstream", up, "--key", KEY], {},
                            "/gateway/anthropic/v1/messages", ["x-api-key=dummy"], "as shipped, metering included")
    own = os.environ.get("GWBENCH_OWN")  # command line of the gateway under test, with {port}, {upstream} and {key}
    if own:
        cmd = own.format(port=PROXY_PORT, upstream=up, key=KEY).split()
        out["own"] = (cmd, {}, os.environ.get("GWBENCH_OWN_PATH", "/v1/messages"),
                      [h for h in os.environ.get("GWBENCH_OWN_HEADERS", "").split(";") if h], "another gateway under test")
    return out


# name, mode, concurrency, requests, extra arguments. Slow proxies are cut off by --seconds.
PHASES = [
    ("json c1", "json", 1, 4000, []),
    ("json c16", "json", 16, 20000, []),
    ("json c64", "json", 64, 20000, []),
    ("json 100/s", "json", 16, 600, ["--rate", 100]),
    ("json 100KB c16", "json", 16, 2000, ["--body-kb", 100]),
    ("stream c1", "stream", 1, 300, []),
    ("stream c16", "stream", 16, 1500, []),
    ("stream c64", "stream", 64, 1500, []),
    ("paced 5ms c1", "stream", 1, 5, ["--delay-us", 5000, "--warmup", 1]),
    ("paced 5ms c16", "stream", 16, 64, ["--delay-us", 5000, "--warmup", 16]),
    ("paced 5ms c64", "stream", 64, 256, ["--delay-us", 5000, "--warmup", 64]),
]


def load(port, path, headers, phase, seconds, cpus):
    name, mode, conc, requests, extra = phase
    cmd = [TOOLS / "load", "--addr", f"127.0.0.1:{port}", "--path", path, "--mode", mode, "--concurrency", conc,
           "--requests", requests, "--seconds", seconds]
    if "--warmup" not in extra:
        cmd += ["--warmup", max(50, 3 * conc) if mode == "json" else max(5, conc)]
    for h in headers:
        cmd += ["--header", h]
    cmd = [str(c) for c in cmd + extra]
    if cpus and HAVE_TASKSET:
        cmd = ["taskset", "-c", cpus] + cmd
    p = subprocess.run(cmd, capture_output=True, text=True, timeout=4 * seconds + 60)
    if p.returncode:
        raise RuntimeError(p.stderr.strip())
    return json.loads(p.stdout)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--only", help="peers, with commas")
    ap.add_argument("--phases", help="substrings of phase names, with commas")
    ap.add_argument("--seconds", type=int, default=4, help="longest time of one phase, at most 30")
    ap.add_argument("--cpus", default="0:1", help="CLIENT_AND_MOCK:PROXY cores, or 'free'")
    ap.add_argument("--out", default="results.json")
    a = ap.parse_args()
    seconds = min(a.seconds, 30)
    outer, inner = (None, None) if a.cpus == "free" else a.cpus.split(":")
    phases = [p for p in PHASES if not a.phases or any(s in p[0] for s in a.phases.split(","))]
    out_path = HERE / a.out
    res = json.loads(out_path.read_text()) if out_path.exists() else {}
    work = Path(tempfile.mkdtemp(prefix="gwbench-"))
    log = open(work / "log", "w")
    try:
        all_peers = {"direct": None, **peers(work)}
        for name, peer in all_peers.items():
            if a.only and name not in a.only.split(","):
                continue
            print(name, flush=True)
            mock = start([TOOLS / "mock", "--listen", f"127.0.0.1:{MOCK_PORT}", "--require-key", KEY], log, outer)
            proxy = None
            try:
                await_port(MOCK_PORT, mock, 5)
                got = {"cpus": a.cpus, "phases": {}}
                if peer:
                    cmd, env, path, headers, note = peer
                    t0 = time.time()
                    proxy = start(cmd, log, inner, env)
                    await_port(PROXY_PORT, proxy, 90)
                    got.update(note=note, start_s=round(time.time() - t0, 2))
                    port = PROXY_PORT
                    time.sleep(3 if name.startswith("litellm") else 0.5)
                else:
                    port, path, headers = MOCK_PORT, "/v1/messages", [f"x-api-key={KEY}"]
                watched = proxy or mock
                got["idle"] = usage(watched.pid)
                for ph in phases:
                    before = usage(watched.pid)
                    try:
                        r = load(port, path, headers, ph, seconds, outer)
                    except (RuntimeError, subprocess.TimeoutExpired) as e:
                        r = {"failed": str(e)[:300]}
                    after = usage(watched.pid)
                    r.update(cpu_s=round(after["cpu_s"] - before["cpu_s"], 2), peak_rss_mib=round(after["peak_rss_mib"], 1),
                             pss_mib=round(after["pss_mib"], 1), processes=after["processes"])
                    got["phases"][ph[0]] = r
                    print("  ", ph[0], {k: r.get(k) for k in ("failed", "ok", "errors", "note", "rps", "cpu_s", "peak_rss_mib") if r.get(k)}, flush=True)
                got["phases"] = {**res.get(name, {}).get("phases", {}), **got["phases"]}  # phases not run this time stay
                res[name] = got
            except RuntimeError as e:
                print("  skipped:", e, flush=True)
            finally:
                if proxy:
                    stop(proxy)
                stop(mock)
            out_path.write_text(json.dumps(res, indent=1))
    finally:
        log.close()
        tail = (work / "log").read_text()[-3000:]
        (HERE / "last.log").write_text(tail)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
