"""The FastAPI original's twin: the API of the components as a FastAPI application with a dictionary, for benchmarks.

`scripts/bench.sh` serves it with one uvicorn worker. By hand:

    uvicorn --app-dir scripts/bench fastapi_twin:app --port 3000
"""

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI(title="Key-value store")
store: dict[str, str] = {}


class Item(BaseModel):
    key: str
    value: str


@app.put("/put")
async def put(item: Item):
    store[item.key] = item.value
    return {"message": f"Key '{item.key}' added/updated successfully."}


@app.get("/get/{key}")
async def get(key: str):
    if key not in store:
        raise HTTPException(status_code=404, detail="Key not found.")
    return {"key": key, "value": store[key]}


@app.delete("/delete/{key}")
async def delete(key: str):
    if key not in store:
        raise HTTPException(status_code=404, detail="Key not found.")
    del store[key]
    return {"message": f"Key '{key}' deleted successfully."}
