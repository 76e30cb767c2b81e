//! End-to-end tests: real clients and real servers. One file per behaviour.

mod harness;
