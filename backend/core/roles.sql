-- The database, its extensions and its three roles. Run by a superuser, in psql; running it again changes nothing.
--
--   ATELIER_OWNER_PASSWORD=… ATELIER_APP_PASSWORD=… ATELIER_SYSTEM_PASSWORD=… psql -d postgres -f backend/core/roles.sql
--
-- atelier_owner    migrations: owns the database and every table
-- atelier_app      requests and tasks: no superuser, no BYPASSRLS, so row-level security holds it
-- atelier_system   relay, learner, claim, journal: BYPASSRLS, but sees only the tables that a migration grants it
\set ON_ERROR_STOP on
\set QUIET on
\getenv owner_password ATELIER_OWNER_PASSWORD
\getenv app_password ATELIER_APP_PASSWORD
\getenv system_password ATELIER_SYSTEM_PASSWORD

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['atelier_owner', 'atelier_app', 'atelier_system']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE atelier_owner WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE atelier_app WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'app_password';
ALTER ROLE atelier_system WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS PASSWORD :'system_password';

SELECT 'CREATE DATABASE atelier OWNER atelier_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'atelier')
\gexec
REVOKE ALL ON DATABASE atelier FROM PUBLIC;
GRANT CONNECT ON DATABASE atelier TO atelier_app, atelier_system;

\connect atelier
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS citext;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO atelier_owner;
GRANT USAGE ON SCHEMA public TO atelier_app, atelier_system;
-- What migrations make from now on, the app may use; the system role gets each of its tables by name, in a migration.
ALTER DEFAULT PRIVILEGES FOR ROLE atelier_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO atelier_app;
ALTER DEFAULT PRIVILEGES FOR ROLE atelier_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO atelier_app, atelier_system;
