# A service as the tutorials of FastAPI write it: GET /me verifies a JWT, looks into Redis whether it is revoked, and reads the user from Postgres.

import json
import os
import socket

import asyncpg
import jwt
import redis.asyncio as redis
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

SECRET = os.environ["JWT_SECRET"]
app = FastAPI()
bearer = OAuth2PasswordBearer(tokenUrl="token")


class User(BaseModel):
    id: str
    email: str
    full_name: str
    role: str


@app.on_event("startup")
async def startup():
    app.state.redis = redis.from_url(os.environ["REDIS_URL"])
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=20)
    await app.state.pool.execute(
        "create table users (id text primary key, email text not null, full_name text not null, role text not null)"
    )
    await app.state.pool.execute("insert into users values ('1', 'bench@example.com', 'Bench', 'user')")
    print(json.dumps({"msg": "ready", "http": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)


async def current_user(token: str = Depends(bearer)) -> User:
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(status_code=401, detail="invalid token")
    if await app.state.redis.exists(f"revoked:{claims['jti']}"):
        raise HTTPException(status_code=401, detail="revoked token")
    row = await app.state.pool.fetchrow("select id, email, full_name, role from users where id = $1", claims["sub"])
    if row is None:
        raise HTTPException(status_code=401, detail="no such user")
    return User(**row)


@app.get("/me", response_model=User)
async def me(user: User = Depends(current_user)):
    return user


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
