-- The accounts of a FastAPI application (fastapi-users, the full-stack template), one JSON object a row.
-- psql "$APP_DATABASE_URL" -Atf fastapi.sql > users.ndjson
-- Without an is_verified column, write false. The id may be a whole number or a UUID.
select json_build_object(
  'externalId', id,
  'email', email,
  'emailVerified', is_verified,
  'fullName', full_name,
  'suspended', not is_active,
  'passwordHash', hashed_password
)
from "user"
where email <> ''
order by id;
