//! The pure-Rust backend (arkworks), for wasm and targets without `std`.

use super::{Backend, expand_message};
use ark_bls12_381::{Bls12_381, Fq, G1Affine, G1Projective, G2Affine, G2Projective, g1};
use ark_ec::hashing::curve_maps::wb::WBMap;
use ark_ec::hashing::map_to_curve_hasher::MapToCurve as _;
use ark_ec::pairing::Pairing as _;
use ark_ec::{AffineRepr as _, CurveGroup as _, PrimeGroup as _};
use ark_ff::{One as _, PrimeField as _, Zero as _};
use ark_serialize::CanonicalDeserialize as _;

/// Arithmetic by arkworks.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Backend for Portable {
    type G1 = G1Affine;
    type G2 = G2Affine;

    fn g1_from_compressed(bytes: &[u8; 48]) -> Option<G1Affine> {
        G1Affine::deserialize_compressed(&bytes[..]).ok()
    }

    fn g2_from_compressed(bytes: &[u8; 96]) -> Option<G2Affine> {
        G2Affine::deserialize_compressed(&bytes[..]).ok()
    }

    fn g2_is_identity(point: &G2Affine) -> bool {
        point.is_zero()
    }

    fn hash_to_g1(tag: &str, message: &[u8]) -> G1Affine {
        let expanded = expand_message(tag, message);
        let map = |bytes: &[u8]| {
            WBMap::<g1::Config>::map_to_curve(Fq::from_be_bytes_mod_order(bytes))
                .expect("the map takes every field element to a point of the curve")
        };
        let (first, second) = expanded.split_at(64);
        (map(first) + map(second)).into_affine().clear_cofactor()
    }

    fn g1_sum_of_products(points: &[(G1Affine, u128)]) -> G1Affine {
        let product = |(point, factor): &(G1Affine, u128)| {
            let bytes = factor.to_le_bytes();
            let (low, high) = bytes.split_at(8);
            let limb = |half: &[u8]| {
                half.iter().rev().fold(0, |limb, byte| (limb << 8) | u64::from(*byte))
            };
            point.into_group().mul_bigint([limb(low), limb(high)])
        };
        points.iter().map(product).sum::<G1Projective>().into_affine()
    }

    fn g2_sum(plus: &[&G2Affine], minus: &[&G2Affine]) -> G2Affine {
        let sum = plus.iter().fold(G2Projective::zero(), |sum, point| sum + **point);
        minus.iter().fold(sum, |sum, point| sum - **point).into_affine()
    }

    fn pairing_holds(signature: &G1Affine, terms: &[(G1Affine, G2Affine)]) -> bool {
        let left = core::iter::once(-*signature).chain(terms.iter().map(|(hash, _)| *hash));
        let right =
            core::iter::once(G2Affine::generator()).chain(terms.iter().map(|(_, key)| *key));
        Bls12_381::multi_pairing(left, right).0.is_one()
    }
}
