//! A headend shard and a client shard, from the first message to the verdict, on virtual time.

mod allocation;
mod data_path;
mod estate;
mod failover;
mod ikev1;
mod lifecycle;
mod liveness;
mod newcomers;
mod sessions;
mod tracing;
mod traffic;
mod vrfs;
mod world;
