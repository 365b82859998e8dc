"""A program whose work is done by child processes: ``pooled.py SETUP METHOD POOL``."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

CALLS = 6


def ask(number: int) -> None:
    import openai

    with openai.OpenAI(max_retries=0) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": f"hi {number}"}])


def ask_later(over: Any) -> None:
    """Ask in a thread that goes on when the process would end."""

    def wait_and_ask() -> None:
        while threading.main_thread().is_alive() and not over.is_set():
            time.sleep(0.01)
        ask(0)

    threading.Thread(target=wait_and_ask).start()
    multiprocessing.util.Finalize(None, over.set, exitpriority=-2000)  # after all that is done at the end


def main(setup: str, method: Any, pool: str) -> None:
    initializer = None
    if setup != "launcher":
        import otel_llm

        if setup == "initializer":
            initializer = otel_llm.setup
        else:
            otel_llm.setup()
    context: Any = multiprocessing.get_context(method)
    if pool == "executor":
        with ProcessPoolExecutor(2, mp_context=context, initializer=initializer) as executor:
            list(executor.map(ask, range(CALLS)))
    elif pool == "thread":
        process = context.Process(target=ask_later, args=(threading.Event(),))
        process.start()
        process.join()
    else:
        workers = context.Pool(2, initializer=initializer)
        workers.map(ask, range(CALLS))
        workers.close()
        workers.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
